//! Wrapped signatures: honest responses taken apart and put together about somebody else. Text in, text out, so that the
//! spec sends the same ones to a running instance.

/// The pieces of a signed response.
pub struct Pieces {
    pub whole: String,
    pub assertion: String,
    pub signature: String,
    pub bare: String,
}

pub fn pieces(xml: &str) -> Pieces {
    let assertion = element(xml, "<saml:Assertion ", "</saml:Assertion>");
    let signature = element(&assertion, "<ds:Signature ", "</ds:Signature>");
    let bare = assertion.replace(&signature, "");
    Pieces { whole: xml.to_owned(), assertion, signature, bare }
}

pub fn element(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    let end = text[start..].find(to).unwrap() + start + to.len();
    text[start..end].to_owned()
}

/// The same assertion about somebody else, under another ID, without a signature.
fn evil(pieces: &Pieces) -> String {
    let id = attribute(&pieces.assertion, "ID=\"");
    pieces.bare.replace("ann@example.com", "admin@example.com").replace(&id, "_evil")
}

/// As [`evil`], under the ID that is signed.
fn evil_of_same_id(pieces: &Pieces) -> String {
    pieces.bare.replace("ann@example.com", "admin@example.com")
}

pub fn attribute(text: &str, name: &str) -> String {
    text.split_once(name).unwrap().1.split_once('"').unwrap().0.to_owned()
}

pub fn inside(element: &str, end: &str, what: &str) -> String {
    element.replacen(end, &format!("{what}{end}"), 1)
}

pub fn in_signature(evil: &str, signature: &str) -> String {
    evil.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)
}

/// The eight shapes of "On Breaking SAML" (and what is between them) for a signed assertion.
fn wrappings(p: &Pieces) -> Vec<(&'static str, String)> {
    let swap = |by: &str| p.whole.replace(&p.assertion, by);
    let (evil, same) = (evil(p), evil_of_same_id(p));
    let object =
        |content: &str| inside(&p.signature, "</ds:Signature>", &format!("<ds:Object>{content}</ds:Object>"));
    vec![
        ("xsw3 evil before", swap(&format!("{evil}{}", p.assertion))),
        ("xsw3 evil after", swap(&format!("{}{evil}", p.assertion))),
        ("xsw4 evil around", swap(&inside(&evil, "</saml:Assertion>", &p.assertion))),
        (
            "xsw5 signature in evil, original at the end",
            swap(&format!("{}{}", in_signature(&evil, &p.signature), p.bare)),
        ),
        (
            "xsw6 original inside the signature of evil",
            swap(&in_signature(&evil, &inside(&p.signature, "</ds:Signature>", &p.bare))),
        ),
        (
            "xsw7 evil in Extensions",
            p.whole.replacen(
                "<samlp:Status>",
                &format!("<samlp:Extensions>{evil}</samlp:Extensions><samlp:Status>"),
                1,
            ),
        ),
        (
            "xsw7 original in Extensions",
            swap(&evil).replacen(
                "<samlp:Status>",
                &format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", p.assertion),
                1,
            ),
        ),
        ("xsw8 original in an Object of evil's signature", swap(&in_signature(&evil, &object(&p.bare)))),
        ("same ID, evil first", swap(&format!("{same}{}", p.assertion))),
        ("same ID, evil last", swap(&format!("{}{same}", p.assertion))),
        ("same ID, original in an Object", swap(&in_signature(&same, &object(&p.bare)))),
    ]
}

/// The original hidden in other places, and evil under other spellings.
fn more_wrappings(p: &Pieces) -> Vec<(&'static str, String)> {
    let swap = |by: &str| p.whole.replace(&p.assertion, by);
    let evil = evil(p);
    vec![
        (
            "original in SubjectConfirmationData",
            swap(&evil.replacen(
                "\"/></saml:SubjectConfirmation>",
                &format!("\">{}</saml:SubjectConfirmationData></saml:SubjectConfirmation>", p.assertion),
                1,
            )),
        ),
        (
            "original in an AttributeValue",
            swap(&evil.replacen(
                "</saml:AttributeValue>",
                &format!("{}</saml:AttributeValue>", p.assertion),
                1,
            )),
        ),
        (
            "original in Advice",
            swap(&evil.replacen(
                "</saml:Conditions>",
                &format!("</saml:Conditions><saml:Advice>{}</saml:Advice>", p.assertion),
                1,
            )),
        ),
        (
            "original in Status",
            swap(&evil).replacen(
                "</samlp:Status>",
                &format!("<samlp:StatusDetail>{}</samlp:StatusDetail></samlp:Status>", p.assertion),
                1,
            ),
        ),
        (
            "original in StatusDetail, signature left",
            swap(&in_signature(&evil, &p.signature)).replacen(
                "</samlp:Status>",
                &format!("<samlp:StatusDetail>{}</samlp:StatusDetail></samlp:Status>", p.bare),
                1,
            ),
        ),
        (
            "evil in no namespace beside",
            swap(&format!(
                "{}{}",
                p.assertion,
                evil.replace("<saml:Assertion ", "<Assertion ").replace("</saml:Assertion>", "</Assertion>")
            )),
        ),
        (
            "evil in another namespace beside",
            swap(&format!(
                "{}{}",
                p.assertion,
                evil.replace("<saml:Assertion ", "<x:Assertion xmlns:x=\"urn:x\" ")
                    .replace("</saml:Assertion>", "</x:Assertion>")
            )),
        ),
        (
            "original in another namespace",
            swap(&format!(
                "{evil}{}",
                p.assertion
                    .replace("<saml:Assertion ", "<x:Assertion xmlns:x=\"urn:x\" ")
                    .replace("</saml:Assertion>", "</x:Assertion>")
            )),
        ),
    ]
}

/// Another root, and identifiers of other spellings.
fn other_names(p: &Pieces) -> Vec<(&'static str, String)> {
    let swap = |by: &str| p.whole.replace(&p.assertion, by);
    let evil = evil(p);
    vec![
        (
            "a response around the response",
            format!(
                "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_outer\" Version=\"2.0\">{}</samlp:Response>",
                p.whole
            ),
        ),
        (
            "id attribute of another spelling",
            swap(&format!(
                "{}{}",
                evil.replacen(
                    "<saml:Assertion ",
                    &format!("<saml:Assertion Id=\"{}\" ", attribute(&p.assertion, "ID=\"")),
                    1
                ),
                p.assertion
            )),
        ),
        (
            "xml:id",
            swap(&format!(
                "{}{}",
                evil.replacen(
                    "<saml:Assertion ",
                    &format!("<saml:Assertion xml:id=\"{}\" ", attribute(&p.assertion, "ID=\"")),
                    1
                ),
                p.assertion
            )),
        ),
    ]
}

/// Every one for a response whose assertion is signed.
pub fn all_wrappings(p: &Pieces) -> Vec<(&'static str, String)> {
    wrappings(p).into_iter().chain(more_wrappings(p)).chain(other_names(p)).collect()
}
