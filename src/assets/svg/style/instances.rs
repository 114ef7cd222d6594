//! Instances of `use` elements whose custom properties differ from those of the target.
//!
//! An instance inherits from its `use` element, custom properties included, so that a symbol can have another colour in
//! each instance. As `var()` is resolved before usvg copies elements, such an instance is written as a separate
//! element.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;

use super::Styles;
use super::cascade::{Cascade, ComputedStyle};
use super::variables::CustomProperties;
use crate::assets::svg::error::SvgError;
use crate::assets::svg::source::{self, ReplaceablePart, XLINK};

/// Prefix of the ids of instances.
const INSTANCE_ID: &str = "instance-with-variables-";

/// Maximum number of elements of all instances of a document. Further `use` elements show their target unchanged.
const MAX_ELEMENTS: usize = 50_000;

/// Maximum depth of nested instances.
const MAX_DEPTH: u32 = 16;

/// The result of the cascade for an element at its original position.
pub(super) struct Original {
    /// Custom properties of the element.
    pub(super) variables: Rc<CustomProperties>,
    /// Some property depends on inherited custom properties.
    pub(super) has_var: bool,
}

/// Adds the instances that the document needs to `styles`. `originals`: one entry per element of the tree.
pub(super) fn add(
    cascade: &mut Cascade<'_, '_, '_>,
    originals: &[Original],
    styles: &mut Styles,
) -> Result<(), SvgError> {
    if !originals.iter().any(|it| it.has_var) {
        return Ok(());
    }
    let mut ids = HashMap::new();
    for (at, entry) in cascade.tree.elements.iter().enumerate() {
        if let Some(id) = entry.node.attribute("id") {
            ids.entry(id.to_owned()).or_insert(at);
        }
    }
    let mut instances =
        Instances { cascade, originals, ids, known: HashMap::new(), count: 0, elements: 0, text: String::new() };
    for (at, original) in originals.iter().enumerate() {
        let Some(target) = instances.shown_by(at) else { continue };
        if let Some(id) = instances.instance(target, &original.variables, styles, 0)? {
            styles.links.insert(instances.cascade.tree.elements[at].node.id(), id);
        }
    }
    let text = instances.text;
    if !text.is_empty() {
        let _ = write!(styles.definitions, "<defs>{text}</defs>");
    }
    Ok(())
}

struct Instances<'n, 'c, 'a, 'i> {
    cascade: &'n mut Cascade<'c, 'a, 'i>,
    originals: &'n [Original],
    ids: HashMap<String, usize>,
    /// Ids of instances by target and address of the inherited custom properties, which the map keeps alive; `None`
    /// where none is needed.
    known: HashMap<(usize, usize), (Rc<CustomProperties>, Option<String>)>,
    count: usize,
    elements: usize,
    text: String,
}

impl Instances<'_, '_, '_, '_> {
    /// The target of the element at this index, if it is a `use`.
    fn shown_by(&self, at: usize) -> Option<usize> {
        let node = self.cascade.tree.elements[at].node;
        let href = node.attribute("href").or_else(|| node.attribute((XLINK, "href")))?;
        let target = href.trim().strip_prefix('#').filter(|_| node.tag_name().name() == "use")?;
        self.ids.get(target).copied()
    }

    /// The element at this index and its descendants.
    fn subtree(&self, at: usize) -> Range<usize> {
        let elements = &self.cascade.tree.elements;
        // Elements are in document order, so descendants follow and their parents are among them.
        let inside = elements[at + 1..].iter().take_while(|it| it.parent.is_some_and(|parent| parent >= at)).count();
        at..at + 1 + inside
    }

    /// The id of an instance of `target` in an element with the custom properties `outer`; `None` where it would look
    /// like the original.
    fn instance(
        &mut self,
        target: usize,
        outer: &Rc<CustomProperties>,
        styles: &mut Styles,
        depth: u32,
    ) -> Result<Option<String>, SvgError> {
        let around = self.cascade.tree.elements[target].parent.map(|it| &self.originals[it].variables);
        if around.is_none_or(|it| it == outer) || depth == MAX_DEPTH {
            return Ok(None);
        }
        let key = (target, Rc::as_ptr(outer).addr());
        if let Some((_, known)) = self.known.get(&key) {
            return Ok(known.clone());
        }
        // Circular references are removed later: a target has no instance inside itself.
        self.known.insert(key, (outer.clone(), None));
        let range = self.subtree(target);
        self.elements += range.len();
        if self.elements > MAX_ELEMENTS {
            return Ok(None);
        }
        let mut own = Styles { units: styles.units, ..Styles::default() };
        let mut variables: Vec<Rc<CustomProperties>> = Vec::with_capacity(range.len());
        let mut differs = false;
        for at in range.clone() {
            let parent = self.cascade.tree.elements[at].parent.filter(|_| at != target);
            let around = parent.map_or(outer, |it| &variables[it - target]).clone();
            let ComputedStyle { properties, variables: inside, has_var } = self.cascade.resolve(at, &around)?;
            differs |= has_var;
            let node = self.cascade.tree.elements[at].node.id();
            if let Some(shown) = self.shown_by(at)
                && let Some(id) = self.instance(shown, &inside, styles, depth + 1)?
            {
                own.links.insert(node, id);
            }
            variables.push(inside);
            if !properties.is_empty() {
                own.elements.insert(node, properties);
            }
        }
        if !differs && own.links.is_empty() {
            return Ok(None);
        }
        own.clip_count = styles.clip_count;
        for at in range.rev() {
            own.place(self.cascade.tree, at);
            own.clip(self.cascade.tree, at);
        }
        styles.clip_count = own.clip_count;
        self.text.push_str(&own.definitions);
        let id = self.free_id();
        let whole = self.cascade.tree.elements[target].node;
        source::write_element(&mut self.text, whole, &mut |part| match part {
            // Ids inside the copy are dropped, because references mean the original.
            ReplaceablePart::Attribute { name: "id", .. } => Some(String::new()),
            ReplaceablePart::MoreAttributes(element) if element == whole => {
                Some(format!(" id=\"{id}\"") + &own.replacement(part).unwrap_or_default())
            }
            part => own.replacement(part),
        });
        self.known.insert(key, (outer.clone(), Some(id.clone())));
        Ok(Some(id))
    }

    fn free_id(&mut self) -> String {
        loop {
            let id = format!("{INSTANCE_ID}{}", self.count);
            self.count += 1;
            if !self.ids.contains_key(&id) {
                return id;
            }
        }
    }
}
