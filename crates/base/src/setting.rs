//! A setting has one definition; everything else about it is generated.
//!
//! ```ignore
//! /// Life of an access token.
//! pub static ACCESS_TOKEN_EXPIRY: Setting<Duration> = Setting::new("auth.access_token_expiry", "15m")
//!     .also(&[Alias::seconds("GOTRUE_JWT_EXP", Guide::AppFlowy)])
//!     .range("1m", "24h")
//!     .changes("how long an access token is accepted before it must be refreshed")
//!     .proven_by(&[27]);
//! ```
//!
//! Declared where it is used, listed in its crate's `SETTINGS`, merged in `app` (defaults < file < environment < flags).
//! A key that no list knows stops the start.

mod accept;
mod fields;
mod live;
mod store;
mod value;

pub use accept::nearest;
pub use fields::{Fields, Record};
pub use live::{LiveSettings, Swapped};
pub use store::{Origin, Settings};
pub use value::{SettingType, Value, ValueError, parse_duration};

use std::marker::PhantomData;

/// Which guide printed a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guide {
    /// AppFlowy's Security Overview.
    AppFlowy,
    /// Fluxbase's Security Best Practices.
    Fluxbase,
    /// Neither: a name GoTrue, PostgREST or an earlier version of ours used.
    Other,
}

/// How a value written under another name is read.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// As the setting itself.
    Same,
    /// A bare number of seconds.
    Seconds,
    /// Converted by the function; the error says what was expected.
    Convert(fn(&str) -> Result<String, String>),
}

/// Another name of the same setting.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The name as printed: an environment variable (`GOTRUE_JWT_EXP`) or a dotted file key.
    pub name: &'static str,
    /// Who printed it.
    pub guide: Guide,
    /// How its value is read.
    pub form: Form,
}

impl Alias {
    /// The same value under another name.
    pub const fn same(name: &'static str, guide: Guide) -> Self {
        Alias { name, guide, form: Form::Same }
    }
    /// A number of seconds under another name.
    pub const fn seconds(name: &'static str, guide: Guide) -> Self {
        Alias { name, guide, form: Form::Seconds }
    }
    /// Another spelling of the value.
    pub const fn convert(name: &'static str, guide: Guide, with: fn(&str) -> Result<String, String>) -> Self {
        Alias { name, guide, form: Form::Convert(with) }
    }
}

/// Whether what the setting names exists yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It changes what its `changes` says.
    Effective,
    /// A guide names it, its capability belongs to a later issue: setting it is refused by name, never silently taken.
    NotYet {
        /// The issue that brings it, as the documents name it.
        issue: &'static str,
    },
}

/// A value that would take away what is always there. Giving it is refused at start, which is its effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The value, in text form.
    pub value: &'static str,
    /// The control it would take away.
    pub control: u16,
    /// Why it cannot be had.
    pub why: &'static str,
}

/// When a change takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    /// At the next start.
    Restart,
    /// At the next request after a reload.
    Live,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// `15m`, `7d`, `1h30m`.
    Duration,
    /// Any text.
    Text,
    /// Text that is never shown; also readable from `NAME_FILE`.
    Secret,
    /// A path.
    Path,
    /// A list of texts.
    List,
    /// A list or mapping of objects, checked by the section that reads it.
    Object,
}

/// A setting without its type: what lists hold.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Dotted name in `palisade.yaml`; `PALISADE_` plus upper case and underscores in the environment; `--dotted-name` as a flag.
    pub name: &'static str,
    /// Text form of the default, `None` for "unset".
    pub default: Option<&'static str>,
    /// What a value looks like.
    pub shape: Shape,
    /// The other names.
    pub also: &'static [Alias],
    /// Lowest and highest value allowed, in the value's own text form.
    pub range: Option<(&'static str, &'static str)>,
    /// The only values allowed, when it is a choice.
    pub choices: &'static [&'static str],
    /// Values of the right type that are refused all the same, each with its control.
    pub refused: &'static [Refused],
    /// What an operator sees change.
    pub changes: &'static str,
    /// Numbers of the controls that prove it.
    pub proven_by: &'static [u16],
    /// When a change takes effect.
    pub reload: Reload,
    /// Whether it does something today.
    pub state: State,
    /// Parses a value far enough to refuse it at start.
    pub check: fn(&Value) -> Result<(), ValueError>,
}

/// A typed setting.
pub struct Setting<T: 'static> {
    /// What lists hold.
    pub definition: Definition,
    kind: PhantomData<fn() -> T>,
}

impl<T: SettingType> Setting<T> {
    /// A setting with a default, which must be the safe one.
    pub const fn new(name: &'static str, default: &'static str) -> Self {
        Self::define(name, Some(default))
    }

    /// A setting that is unset by default.
    pub const fn unset(name: &'static str) -> Self {
        Self::define(name, None)
    }

    const fn define(name: &'static str, default: Option<&'static str>) -> Self {
        Setting {
            definition: Definition {
                name,
                default,
                shape: T::SHAPE,
                also: &[],
                range: None,
                choices: &[],
                refused: &[],
                changes: "",
                proven_by: &[],
                reload: Reload::Restart,
                state: State::Effective,
                check: value::check::<T>,
            },
            kind: PhantomData,
        }
    }

    /// Its other names.
    pub const fn also(mut self, names: &'static [Alias]) -> Self {
        self.definition.also = names;
        self
    }
    /// Lowest and highest value, in text form.
    pub const fn range(mut self, low: &'static str, high: &'static str) -> Self {
        self.definition.range = Some((low, high));
        self
    }
    /// The only values allowed.
    pub const fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.definition.choices = choices;
        self
    }
    /// Values that would take away what is always there.
    pub const fn refuses(mut self, values: &'static [Refused]) -> Self {
        self.definition.refused = values;
        self
    }
    /// What an operator sees change.
    pub const fn changes(mut self, what: &'static str) -> Self {
        self.definition.changes = what;
        self
    }
    /// The controls that prove it.
    pub const fn proven_by(mut self, controls: &'static [u16]) -> Self {
        self.definition.proven_by = controls;
        self
    }
    /// Takes effect without a restart.
    pub const fn live(mut self) -> Self {
        self.definition.reload = Reload::Live;
        self
    }
    /// Named by a guide, built by a later issue.
    pub const fn not_yet(mut self, issue: &'static str) -> Self {
        self.definition.state = State::NotYet { issue };
        self
    }
}
