//! `use` elements whose custom properties differ from those around what they show.
//!
//! An instance inherits from its `use` element, custom properties included, so that one symbol may have another colour wherever it
//! is used. As `var()` is resolved before usvg copies anything, such an instance is written as an element of its own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;

use super::Styles;
use super::cascade::{Cascade, Resolved};
use super::variables::Variables;
use crate::assets::svg::error::SvgError;
use crate::assets::svg::source::{self, Part, XLINK};

/// Ids of instances begin with this.
const INSTANCE_ID: &str = "instance-with-variables-";

/// Elements of all instances of one document; beyond, `use` shows what it names as it stands there.
const MAX_ELEMENTS: usize = 50_000;

/// Instances in instances.
const MAX_DEPTH: u32 = 16;

/// What the cascade said of an element where it stands.
pub(super) struct Original {
    /// Its custom properties.
    pub(super) variables: Rc<Variables>,
    /// Some of its properties would be others with other custom properties around it.
    pub(super) has_var: bool,
}

/// Adds the instances that the document needs to `styles`. `originals`: for each element of the tree.
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
    /// By what is shown and the address of the custom properties around it, which are kept: the id of the instance, `None` where
    /// it needs none.
    known: HashMap<(usize, usize), (Rc<Variables>, Option<String>)>,
    count: usize,
    elements: usize,
    text: String,
}

impl Instances<'_, '_, '_, '_> {
    /// What the element at this index shows, if it is a `use`.
    fn shown_by(&self, at: usize) -> Option<usize> {
        let node = self.cascade.tree.elements[at].node;
        let href = node.attribute("href").or_else(|| node.attribute((XLINK, "href")))?;
        let target = href.trim().strip_prefix('#').filter(|_| node.tag_name().name() == "use")?;
        self.ids.get(target).copied()
    }

    /// The element at this index and all that is in it.
    fn subtree(&self, at: usize) -> Range<usize> {
        let elements = &self.cascade.tree.elements;
        // In document order: what is inside comes next, and its parents are inside too.
        let inside = elements[at + 1..].iter().take_while(|it| it.parent.is_some_and(|parent| parent >= at)).count();
        at..at + 1 + inside
    }

    /// The id of an instance of `target` inside of an element with the custom properties `outer`; `None` where it would look
    /// as where it stands.
    fn instance(
        &mut self,
        target: usize,
        outer: &Rc<Variables>,
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
        // What shows itself is cut later: inside of itself it has no instance.
        self.known.insert(key, (outer.clone(), None));
        let range = self.subtree(target);
        self.elements += range.len();
        if self.elements > MAX_ELEMENTS {
            return Ok(None);
        }
        let mut own = Styles { units: styles.units, ..Styles::default() };
        let mut variables: Vec<Rc<Variables>> = Vec::with_capacity(range.len());
        let mut differs = false;
        for at in range.clone() {
            let parent = self.cascade.tree.elements[at].parent.filter(|_| at != target);
            let around = parent.map_or(outer, |it| &variables[it - target]).clone();
            let Resolved { properties, variables: inside, has_var } = self.cascade.resolve(at, &around)?;
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
            // Whoever refers to a part of it means the original.
            Part::Attribute { name: "id", .. } => Some(String::new()),
            Part::MoreAttributes(element) if element == whole => {
                Some(format!(" id=\"{id}\"") + &own.part(part).unwrap_or_default())
            }
            part => own.part(part),
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
