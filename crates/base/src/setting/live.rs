//! The settings in force now, for the few that may change without a restart.
//!
//! Invariant: only a setting whose definition says it is live ever changes under a running server, and all that
//! changed in one reload is seen at once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Definition, Reload, Settings};

/// Holds the settings in force. Clones share them.
#[derive(Clone)]
pub struct LiveSettings(Arc<RwLock<Settings>>);

/// What one reload did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swapped {
    /// In force from the next request on.
    pub changed: Vec<&'static str>,
    /// Differ from what runs, and wait for a restart.
    pub waiting: Vec<&'static str>,
}

impl LiveSettings {
    /// Starts with what was loaded at start.
    pub fn new(settings: Settings) -> Self {
        LiveSettings(Arc::new(RwLock::new(settings)))
    }

    /// The settings in force now. Read once per request, not once per use.
    pub fn current(&self) -> Settings {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over the live ones of `next`; the others keep their value and are named.
    pub fn swap<'a>(
        &self,
        next: &Settings,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Swapped {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut values: HashMap<_, _> = current
            .all_given()
            .map(|(name, value, origin)| (name, (value.clone(), origin.clone())))
            .collect();
        let mut swapped = Swapped::default();
        for definition in definitions {
            let name = definition.name;
            if current.given(name) == next.given(name) {
                continue;
            }
            match definition.reload {
                Reload::Restart => swapped.waiting.push(name),
                Reload::Live => {
                    swapped.changed.push(name);
                    match next.given(name) {
                        Some(value) => values.insert(name, (value.clone(), next.origin(name))),
                        None => values.remove(name),
                    };
                }
            }
        }
        *current = Settings::from_checked(values);
        swapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Setting;

    static LEVEL: Setting<String> = Setting::new("logging.level", "info").live();
    static PORT: Setting<u16> = Setting::new("server.port", "443");

    #[test]
    fn a_reload_changes_what_is_live_and_names_what_waits() {
        let live = LiveSettings::new(Settings::default().with("logging.level", "debug"));
        let next = Settings::default().with("logging.level", "warn").with("server.port", "8443");

        let swapped = live.swap(&next, [&LEVEL.definition, &PORT.definition]);

        assert_eq!(swapped, Swapped { changed: vec!["logging.level"], waiting: vec!["server.port"] });
        assert_eq!(live.current().get(&LEVEL), "warn");
        assert_eq!(live.current().get(&PORT), 443);
    }

    #[test]
    fn a_live_setting_taken_out_of_the_file_falls_back_to_its_default() {
        let live = LiveSettings::new(Settings::default().with("logging.level", "debug"));
        live.swap(&Settings::default(), [&LEVEL.definition]);
        assert_eq!(live.current().get(&LEVEL), "info");
    }
}
