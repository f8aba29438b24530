/** The rules that the server has in force. */
export interface PasswordPolicy {
  min_length: number
  max_length: number
  required_characters: string[]
}

/** The rules in force at `url`, the address that createClient takes. */
export function fetchPolicy(url: string, fetchWith?: typeof fetch): Promise<PasswordPolicy>

/** What is wrong with a password, in words for the person who types it; empty when the server will take it. */
export function validatePassword(password: string, policy: PasswordPolicy): string[]
