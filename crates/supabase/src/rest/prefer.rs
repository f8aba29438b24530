//! The `Prefer` header: what is asked beside the request, and what of it was honoured.
//!
//! Invariant: `Preference-Applied` names only what changed the answer, in upstream's fixed order.

use data::ask::{Count, Resolution, Returning};
use http::HeaderMap;

use super::error::Refusal;

/// How the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Kept.
    Commit,
    /// Thrown away after the answer is known.
    RollBack,
}

/// What was preferred. The first mention of each kind counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `resolution=`
    pub resolution: Option<Resolution>,
    /// `return=`
    pub returning: Option<Returning>,
    /// `count=`
    pub count: Option<Count>,
    /// `tx=`, where the operator allows it.
    pub ending: Option<Ending>,
    /// `missing=default`
    pub missing_as_default: Option<bool>,
    /// `handling=strict`
    pub strict: Option<bool>,
    /// `timezone=`
    pub timezone: Option<String>,
    /// `max-affected=`
    pub max_affected: Option<i64>,
    unknown: Vec<String>,
}

/// What the request turned out to be, as far as preferences care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Rows were read.
    Read,
    /// Rows were inserted; whether conflicts could be resolved.
    Insert {
        /// Whether there was a conflict target.
        resolved: bool,
    },
    /// The single row was put.
    Put,
    /// Rows were changed.
    Update,
    /// Rows were deleted.
    Delete,
    /// A function was called.
    Call,
}

impl Preferences {
    /// Reads every `Prefer` header. `tx=` counts only where `ending_allowed`.
    pub fn read(headers: &HeaderMap, ending_allowed: bool) -> Self {
        let mut wishes = Preferences::default();
        let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
        for wish in lines.flat_map(|line| line.split(',')).map(str::trim) {
            wishes.take(wish, ending_allowed);
        }
        wishes
    }

    fn take(&mut self, wish: &str, ending_allowed: bool) {
        fn first<T>(slot: &mut Option<T>, value: T) {
            if slot.is_none() {
                *slot = Some(value);
            }
        }
        match wish {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::Merge),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::Ignore),
            "return=representation" => first(&mut self.returning, Returning::Rows),
            "return=minimal" => first(&mut self.returning, Returning::Minimal),
            "return=headers-only" => first(&mut self.returning, Returning::Key),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "tx=commit" if ending_allowed => first(&mut self.ending, Ending::Commit),
            "tx=rollback" if ending_allowed => first(&mut self.ending, Ending::RollBack),
            "tx=commit" | "tx=rollback" => {}
            "missing=default" => first(&mut self.missing_as_default, true),
            "missing=null" => first(&mut self.missing_as_default, false),
            "handling=strict" => first(&mut self.strict, true),
            "handling=lenient" => first(&mut self.strict, false),
            other => match other.split_once('=') {
                Some(("timezone", zone)) => first(&mut self.timezone, zone.to_owned()),
                Some(("max-affected", number)) => {
                    if let Ok(number) = number.parse() {
                        first(&mut self.max_affected, number);
                    }
                }
                _ => self.unknown.push(other.to_owned()),
            },
        }
    }

    /// Refuses what is unknown where `handling=strict` asks for that.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.strict == Some(true) && !self.unknown.is_empty() {
            return Err(Refusal::InvalidPreferences(self.unknown.clone()));
        }
        Ok(())
    }

    /// The bound on rows written, where it binds.
    pub fn binding_max_affected(&self) -> Option<i64> {
        self.max_affected.filter(|_| self.strict == Some(true))
    }

    /// Whether the answer tells an exact number of rows written.
    pub fn counts_writes(&self) -> bool {
        matches!(self.count, Some(Count::Exact | Count::Estimated))
    }

    /// The `Preference-Applied` header; `None` when nothing was.
    pub fn applied(&self, what: Applied) -> Option<String> {
        let is_write =
            matches!(what, Applied::Insert { .. } | Applied::Put | Applied::Update | Applied::Delete);
        let resolution = self.resolution.filter(|_| what == Applied::Insert { resolved: true });
        let missing =
            self.missing_as_default.filter(|_| matches!(what, Applied::Insert { .. } | Applied::Update));
        let max = self
            .binding_max_affected()
            .filter(|_| matches!(what, Applied::Update | Applied::Delete | Applied::Call));
        let words = [
            resolution.map(|how| match how {
                Resolution::Merge => "resolution=merge-duplicates".to_owned(),
                Resolution::Ignore => "resolution=ignore-duplicates".to_owned(),
            }),
            missing.map(
                |default| if default { "missing=default".to_owned() } else { "missing=null".to_owned() },
            ),
            self.returning.filter(|_| is_write).map(|returning| match returning {
                Returning::Rows => "return=representation".to_owned(),
                Returning::Minimal => "return=minimal".to_owned(),
                Returning::Key => "return=headers-only".to_owned(),
            }),
            self.count.map(|count| match count {
                Count::Exact => "count=exact".to_owned(),
                Count::Planned => "count=planned".to_owned(),
                Count::Estimated => "count=estimated".to_owned(),
            }),
            self.ending.map(|ending| match ending {
                Ending::Commit => "tx=commit".to_owned(),
                Ending::RollBack => "tx=rollback".to_owned(),
            }),
            self.strict.map(|strict| {
                if strict { "handling=strict".to_owned() } else { "handling=lenient".to_owned() }
            }),
            self.timezone.as_ref().map(|zone| format!("timezone={zone}")),
            max.map(|number| format!("max-affected={number}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Applied, Ending, Preferences};

    fn read(lines: &[&'static str], ending_allowed: bool) -> Preferences {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", HeaderValue::from_static(line));
        }
        Preferences::read(&headers, ending_allowed)
    }

    #[test]
    fn the_first_of_a_kind_counts_across_headers() {
        let wishes = read(&["tx=commit, tx=rollback", "count=exact,count=planned"], true);
        assert_eq!(wishes.ending, Some(Ending::Commit));
        assert_eq!(wishes.applied(Applied::Read).as_deref(), Some("count=exact, tx=commit"));
    }

    #[test]
    fn tx_is_ignored_where_it_is_not_allowed() {
        let wishes = read(&["tx=rollback, handling=strict"], false);
        assert_eq!(wishes.ending, None);
        assert!(wishes.check().is_ok());
    }

    #[test]
    fn only_what_mattered_is_said_to_be_applied() {
        let wishes = read(
            &[
                "resolution=merge-duplicates, return=representation, missing=default, max-affected=3, handling=strict",
            ],
            false,
        );
        assert_eq!(
            wishes.applied(Applied::Insert { resolved: true }).as_deref(),
            Some("resolution=merge-duplicates, missing=default, return=representation, handling=strict")
        );
        assert_eq!(
            wishes.applied(Applied::Delete).as_deref(),
            Some("return=representation, handling=strict, max-affected=3")
        );
        assert_eq!(wishes.applied(Applied::Read).as_deref(), Some("handling=strict"));
        assert_eq!(read(&[], false).applied(Applied::Read), None);
    }

    #[test]
    fn strict_handling_refuses_the_unknown() {
        assert!(read(&["handling=strict, anything"], false).check().is_err());
        assert!(read(&["anything"], false).check().is_ok());
    }
}
