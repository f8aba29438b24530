//! A parsed message, read by namespace and name only, with the few questions that are asked of it.

use uppsala::{Document, NodeId, NodeKind, Parser};

use crate::{Error, limits};

pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A name as namespaces make it.
pub(crate) type Name = (&'static str, &'static str);

/// One element of a tree.
#[derive(Clone, Copy)]
pub(crate) struct At<'t> {
    document: &'t Document<'t>,
    id: NodeId,
}

/// Parses what [`crate::text::admit`] admitted, within the limits.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, Error> {
    let depth = u32::try_from(limits::DEPTH_MAX.size()).unwrap_or(u32::MAX);
    let parser = Parser::new().with_forbid_dtd(true).with_forbid_entities(true).with_max_depth(depth);
    let document = parser.parse(text).map_err(|_| Error::Unreadable("not XML"))?;
    let mut elements = 0;
    for id in document.descendants(document.root()) {
        match document.node_kind(id) {
            Some(NodeKind::Element(element)) => {
                elements += 1;
                let count = element.attributes.len() + element.namespace_declarations.len();
                let longest = element.attributes.iter().map(|one| one.value.len()).max().unwrap_or(0);
                for (over, limit) in [
                    (elements > limits::ELEMENTS_MAX.size(), limits::ELEMENTS_MAX),
                    (count > limits::ATTRIBUTES_MAX.size(), limits::ATTRIBUTES_MAX),
                    (longest > limits::ATTRIBUTE_BYTES_MAX.size(), limits::ATTRIBUTE_BYTES_MAX),
                ] {
                    if over {
                        return Err(Error::TooLarge { limit: limit.name });
                    }
                }
            }
            Some(NodeKind::Text(_) | NodeKind::Document) => {}
            Some(
                NodeKind::CData(_)
                | NodeKind::Comment(_)
                | NodeKind::ProcessingInstruction(_)
                | NodeKind::Attribute(..),
            )
            | None => return Err(Error::Needless("a node that is neither element nor text")),
        }
    }
    Ok(document)
}

/// The root element.
pub(crate) fn root<'t>(document: &'t Document<'t>) -> Result<At<'t>, Error> {
    let id = document.document_element().ok_or(Error::Unreadable("not XML"))?;
    Ok(At { document, id })
}

impl<'t> At<'t> {
    pub(crate) fn is(self, name: Name) -> bool {
        self.document.element(self.id).is_some_and(|element| element.matches_name_ns(name.0, name.1))
    }

    pub(crate) fn is_same(self, other: At<'_>) -> bool {
        self.id == other.id
    }

    pub(crate) fn local(self) -> &'t str {
        self.document.element(self.id).map_or("", |element| &*element.name.local_name)
    }

    /// An attribute without a namespace.
    pub(crate) fn attribute(self, name: &str) -> Option<&'t str> {
        let element = self.document.element(self.id)?;
        let found = element
            .attributes
            .iter()
            .find(|one| one.name.namespace_uri.is_none() && *one.name.local_name == *name)?;
        Some(&*found.value)
    }

    /// Names and values of every attribute, namespaces left aside.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let element = self.document.element(self.id);
        element
            .into_iter()
            .flat_map(|element| element.attributes.iter().map(|one| (&*one.name.local_name, &*one.value)))
    }

    pub(crate) fn children(self) -> impl Iterator<Item = At<'t>> {
        let document = self.document;
        document
            .children_iter(self.id)
            .filter(move |id| document.element(*id).is_some())
            .map(move |id| At { document, id })
    }

    pub(crate) fn named(self, name: Name) -> impl Iterator<Item = At<'t>> {
        self.children().filter(move |child| child.is(name))
    }

    /// The only child of that name; none or several are refused with `why`.
    pub(crate) fn only(self, name: Name, why: &'static str) -> Result<At<'t>, Error> {
        let mut found = self.named(name);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(Error::Shape(why)),
        }
    }

    /// Every element below, and itself.
    pub(crate) fn all(self) -> impl Iterator<Item = At<'t>> {
        let document = self.document;
        let below =
            document.descendants(self.id).into_iter().filter(move |id| document.element(*id).is_some());
        std::iter::once(self).chain(below.filter(move |id| *id != self.id).map(move |id| At { document, id }))
    }

    /// Its text, without the space around it. An element that holds elements has none.
    pub(crate) fn text(self) -> Result<String, Error> {
        let mut text = String::new();
        for child in self.document.children_iter(self.id) {
            match self.document.node_kind(child) {
                Some(NodeKind::Text(piece)) => text.push_str(piece),
                _ => return Err(Error::Shape("an element where text should be")),
            }
        }
        Ok(text.trim().to_owned())
    }
}
