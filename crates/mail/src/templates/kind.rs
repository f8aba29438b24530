//! The mails there are, by upstream's names where it has one.

/// One kind of mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// An address to be confirmed.
    Confirmation,
    /// A way back in.
    Recovery,
    /// A way in without a password.
    MagicLink,
    /// An invitation.
    Invite,
    /// Another address, to the old and the new one.
    EmailChange,
    /// A proof of presence.
    Reauthentication,
    /// Instead of a confirmation, when there is an account.
    AccountExists,
    /// An outside identity whose address nobody vouched for.
    IdentityConfirm,
    /// The password was changed.
    PasswordChanged,
    /// The address was changed, to the old one.
    EmailChanged,
    /// The number was changed.
    PhoneChanged,
    /// An outside identity was linked.
    IdentityLinked,
    /// An outside identity was unlinked.
    IdentityUnlinked,
    /// A second factor was added.
    FactorEnrolled,
    /// A second factor was removed.
    FactorRemoved,
    /// A refresh token came back.
    SessionStolen,
    /// A device we had not seen.
    NewDevice,
    /// Sign-in was paused.
    LockedOut,
}

impl Template {
    /// Every kind.
    pub const ALL: &'static [Template] = &[
        Template::Confirmation,
        Template::Recovery,
        Template::MagicLink,
        Template::Invite,
        Template::EmailChange,
        Template::Reauthentication,
        Template::AccountExists,
        Template::IdentityConfirm,
        Template::PasswordChanged,
        Template::EmailChanged,
        Template::PhoneChanged,
        Template::IdentityLinked,
        Template::IdentityUnlinked,
        Template::FactorEnrolled,
        Template::FactorRemoved,
        Template::SessionStolen,
        Template::NewDevice,
        Template::LockedOut,
    ];

    /// As files and the outbox spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Template::Confirmation => "confirmation",
            Template::Recovery => "recovery",
            Template::MagicLink => "magic_link",
            Template::Invite => "invite",
            Template::EmailChange => "email_change",
            Template::Reauthentication => "reauthentication",
            Template::AccountExists => "account_exists",
            Template::IdentityConfirm => "identity_confirm",
            Template::PasswordChanged => "password_changed_notification",
            Template::EmailChanged => "email_changed_notification",
            Template::PhoneChanged => "phone_changed_notification",
            Template::IdentityLinked => "identity_linked_notification",
            Template::IdentityUnlinked => "identity_unlinked_notification",
            Template::FactorEnrolled => "mfa_factor_enrolled_notification",
            Template::FactorRemoved => "mfa_factor_unenrolled_notification",
            Template::SessionStolen => "session_stolen_notification",
            Template::NewDevice => "new_device_notification",
            Template::LockedOut => "locked_out_notification",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|template| template.name() == name)
    }
}

macro_rules! built_in {
    ($($template:ident $name:literal;)+) => {
        /// Kind, locale, text.
        pub(super) const BUILT_IN: &[(Template, &str, &str)] = &[$(
            (Template::$template, "en", include_str!(concat!("../../templates/", $name, ".en.txt"))),
            (Template::$template, "de", include_str!(concat!("../../templates/", $name, ".de.txt"))),
        )+];
    };
}

built_in! {
    Confirmation "confirmation";
    Recovery "recovery";
    MagicLink "magic_link";
    Invite "invite";
    EmailChange "email_change";
    Reauthentication "reauthentication";
    AccountExists "account_exists";
    IdentityConfirm "identity_confirm";
    PasswordChanged "password_changed_notification";
    EmailChanged "email_changed_notification";
    PhoneChanged "phone_changed_notification";
    IdentityLinked "identity_linked_notification";
    IdentityUnlinked "identity_unlinked_notification";
    FactorEnrolled "mfa_factor_enrolled_notification";
    FactorRemoved "mfa_factor_unenrolled_notification";
    SessionStolen "session_stolen_notification";
    NewDevice "new_device_notification";
    LockedOut "locked_out_notification";
}
