//! XML as a tree, for the tests of what is written as XML.

use std::collections::BTreeMap;

use quick_xml::{Reader, escape::resolve_xml_entity, events::Event};

/// An element of a document, all of it unescaped.
#[derive(Default)]
pub(super) struct Node {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    /// The document's element.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => open.push(Self::of(&tag)),
                Event::Empty(tag) => open.last_mut().unwrap().children.push(Self::of(&tag)),
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Text(text) => open.last_mut().unwrap().text += &text.decode().unwrap(),
                Event::GeneralRef(name) => {
                    let name = name.decode().unwrap();
                    let meant = resolve_xml_entity(&name).unwrap_or_else(|| panic!("&{name};"));
                    open.last_mut().unwrap().text += meant;
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open.len(), 1, "everything is closed");
        open.pop().unwrap().children.pop().unwrap()
    }

    fn of(tag: &quick_xml::events::BytesStart<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let attributes = tag.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = text(&attribute.value);
            let value = quick_xml::escape::unescape(&value).unwrap().into_owned();
            (text(attribute.key.as_ref()), value)
        });
        Self {
            name: text(tag.name().as_ref()),
            attributes: attributes.collect(),
            ..Self::default()
        }
    }

    /// Every attribute and text in it.
    pub fn texts(&self) -> String {
        let own: String = self.attributes.values().cloned().collect();
        let children: String = self.children.iter().map(Self::texts).collect();
        own + &self.text + &children
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }
}
