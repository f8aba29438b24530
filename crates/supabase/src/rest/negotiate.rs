//! Which of the types accepted can be made of what was asked for.
//!
//! Invariant: the types of this API cannot be replaced by user code; plain ones (JSON, CSV, any other) can.

use data::ask::{Explain, Shape};
use data::catalog::{Catalog, Function, Handler, HandlerTarget, RelationId, Returns};

use super::error::Refusal;
use super::media::Media;

/// What will be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) shape: Shape,
    pub(super) media: Media,
    pub(super) singular: bool,
    pub(super) explain: Option<Explain>,
}

/// What handlers are looked up for.
pub(super) struct Subject<'a> {
    pub(super) catalog: &'a Catalog,
    /// The relation whose rows are answered, if any.
    pub(super) relation: Option<RelationId>,
    /// The function called, if any.
    pub(super) function: Option<&'a Function>,
    /// Whether whole rows are asked for.
    pub(super) whole_row: bool,
    /// Whether plans may be asked for.
    pub(super) plans: bool,
}

impl Subject<'_> {
    /// The first accepted type that something can be made of.
    pub(super) fn choose(&self, accept: &[Media]) -> Result<Chosen, Refusal> {
        let found = accept.iter().find_map(|media| self.make(media));
        found.ok_or_else(|| Refusal::Media(accept.iter().map(Media::name).collect()))
    }

    fn make(&self, media: &Media) -> Option<Chosen> {
        let plain = |shape, singular| Chosen { shape, media: media.clone(), singular, explain: None };
        match media {
            Media::Object { strip } => Some(plain(Shape::Object { strip_nulls: *strip }, true)),
            Media::ArrayStripped => Some(plain(Shape::Json { strip_nulls: true }, false)),
            Media::Plan { of, explain } if self.plans => {
                let inner = self.make(of)?;
                Some(Chosen {
                    shape: inner.shape,
                    media: media.clone(),
                    singular: false,
                    explain: Some(explain.clone()),
                })
            }
            Media::Plan { .. } => None,
            other => self.handled(other),
        }
    }

    fn handled(&self, media: &Media) -> Option<Chosen> {
        let name = media.name();
        let own =
            |wanted: &str| self.handler(wanted, |target| self.is_own(target)).filter(|_| self.whole_row);
        if let Some(handler) = own("*/*") {
            return Some(self.by(handler, Media::Bytes));
        }
        if let Some(handler) = own(&name) {
            return Some(self.by(handler, media.clone()));
        }
        if let Some(handler) = self.handler(&name, |target| *target == HandlerTarget::Anything) {
            return Some(self.by(handler, media.clone()));
        }
        let built_in = |shape, media| Some(Chosen { shape, media, singular: false, explain: None });
        match media {
            Media::Json | Media::Any => built_in(Shape::Json { strip_nulls: false }, Media::Json),
            Media::Csv => built_in(Shape::Csv, Media::Csv),
            Media::GeoJson => built_in(Shape::GeoJson, Media::GeoJson),
            _ => None,
        }
    }

    fn handler(&self, media: &str, of: impl Fn(&HandlerTarget) -> bool) -> Option<&Handler> {
        let fits = |handler: &&Handler| {
            let itself = handler.target != HandlerTarget::Itself
                || self.function.is_some_and(|function| {
                    function.schema == handler.schema && function.name == handler.name
                });
            handler.media.eq_ignore_ascii_case(media) && itself && of(&handler.target)
        };
        self.catalog.handlers.iter().find(fits)
    }

    fn is_own(&self, target: &HandlerTarget) -> bool {
        match target {
            HandlerTarget::Anything => false,
            HandlerTarget::Relation(id) => self.relation == Some(*id),
            HandlerTarget::Itself => self.function.is_some(),
        }
    }

    fn by(&self, handler: &Handler, media: Media) -> Chosen {
        let shape = match handler.target {
            HandlerTarget::Itself => Shape::Raw,
            HandlerTarget::Anything | HandlerTarget::Relation(_) => {
                Shape::Handler(data::ask::Name::new(&*handler.schema, &*handler.name))
            }
        };
        Chosen { shape, media, singular: false, explain: None }
    }
}

/// The relation whose rows a function returns.
pub(super) fn relation_of(function: &Function) -> Option<RelationId> {
    match &function.returns {
        Returns::Row { relation, .. } => *relation,
        Returns::Void | Returns::Scalar { .. } | Returns::Record => None,
    }
}
