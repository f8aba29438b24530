-- Which makes of password hashes are stored besides today's: every sign-in costs what each of them does, so that the time of a
-- refusal does not say who was imported (attack row 19). Empty where nobody was.
create index users_foreign_hash_idx on auth.users (
    (substring(encrypted_password from '^[$](?:2[aby][$][0-9]{2}|fbscrypt[$][^$]*|argon2id?[$](?:v=[0-9]+[$])?[^$]*)'))
) where encrypted_password like '$%' and encrypted_password not like '$argon2id$v=19$m=19456,t=2,p=1$%';
