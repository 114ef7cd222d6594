//! Pages that begin alike: what they begin with is painted once.
//!
//! Rows of a batch differ in some texts and pictures; what lies below the first of these is the same in all of them. Where that
//! ends is not told by the design: plans are compared, operation by operation. A surface may be drawn in turns (`ops_cpu`), and
//! has the same bytes then; so the pixels of the first turn serve every page that begins with the same operations.
//!
//! The common beginning is what the first two pages share, and becomes shorter when a page has less of it; never longer, so that
//! rows which happen to be equal cost little. Only the CPU paints so: a GPU has its pages elsewhere.

use std::slice::SliceIndex;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peniko::BlendMode;

use super::plan::{FramePlan, Op, Step, SurfaceId};
use crate::units::DeviceSize;

/// Pages of a design that are looked at; those after them are painted as they are.
const PAGES: usize = 4;
/// Pixels of beginnings, in bytes: a page that is larger has none.
const MOST_BYTES: u64 = 64 << 20;
/// Surfaces inside surfaces that are compared: deeper ones count as different.
const DEEPEST: usize = 16;

/// What is known of the pages of one series, by their place in the design. Cheap to make; shared by all who paint them.
#[derive(Debug, Default)]
pub struct Series(Mutex<[State; PAGES]>);

#[derive(Clone, Debug, Default)]
enum State {
    /// No page has come yet.
    #[default]
    Fresh,
    /// One has.
    Seen(Arc<Drawn>),
    /// Pages have this in common.
    Begun(Arc<Beginning>),
    /// Pages have nothing in common.
    Different,
}

/// A plan without its series.
#[derive(Debug)]
struct Drawn {
    surfaces: Vec<DeviceSize>,
    steps: Vec<Step>,
}

/// The pixels that pages begin with.
#[derive(Debug)]
pub(super) struct Beginning {
    /// What they were drawn with, and nothing else.
    drawn: Drawn,
    /// Of the result after that; premultiplied.
    pub(super) pixels: Vec<u8>,
}

/// How a page is to be painted.
pub(super) enum Turn {
    /// In one go.
    Whole,
    /// On top of what is there.
    Onto(Arc<Beginning>),
    /// In one go, and what is there after so many operations is to be noted.
    Note(usize),
}

impl Series {
    /// How page number `page` is to be painted.
    pub(super) fn turn(&self, page: usize, plan: &FramePlan) -> Turn {
        let Some(state) = self.lock().get(page).cloned() else { return Turn::Whole };
        if plan.surfaces.first().is_none_or(|size| size.pixels() * 4 * PAGES as u64 > MOST_BYTES) {
            return Turn::Whole;
        }
        let (common, beginning) = match state {
            State::Different => return Turn::Whole,
            State::Fresh => {
                self.set(page, State::Seen(Arc::new(Drawn::of(plan))));
                return Turn::Whole;
            }
            State::Seen(before) => (before.common(plan), None),
            State::Begun(beginning) => (beginning.drawn.common(plan), Some(beginning)),
        };
        match (split(result_of(&plan.steps), common), beginning) {
            (0, _) => {
                self.set(page, State::Different);
                Turn::Whole
            }
            (ops, Some(beginning)) if ops == beginning.ops() => Turn::Onto(beginning),
            (ops, _) => Turn::Note(ops),
        }
    }

    /// `pixels`: what was there after `ops` operations of this page, as [`Turn::Note`] asks.
    pub(super) fn note(&self, page: usize, plan: &FramePlan, ops: usize, pixels: Vec<u8>) {
        self.set(page, State::Begun(Arc::new(Beginning { drawn: Drawn::beginning(plan, ops), pixels })));
    }

    /// How many operations pages number `page` begin with.
    #[cfg(test)]
    pub(super) fn begun(&self, page: usize) -> Option<usize> {
        match self.lock().get(page) {
            Some(State::Begun(beginning)) => Some(beginning.ops()),
            _ => None,
        }
    }

    /// Pages that were found to differ stay so, whoever was late.
    fn set(&self, page: usize, state: State) {
        match self.lock().get_mut(page) {
            None | Some(State::Different) => {}
            Some(known) => *known = state,
        }
    }

    fn lock(&self) -> MutexGuard<'_, [State; PAGES]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beginning {
    /// How many operations of the result it is.
    pub(super) fn ops(&self) -> usize {
        result_of(&self.drawn.steps).len()
    }
}

impl Drawn {
    fn of(plan: &FramePlan) -> Self {
        Self { surfaces: plan.surfaces.clone(), steps: plan.steps.clone() }
    }

    /// What the first `ops` operations of the result need, and no more: a page's own pictures may be large.
    fn beginning(plan: &FramePlan, ops: usize) -> Self {
        let needed = needed(plan, ..ops);
        let mut steps: Vec<_> =
            plan.steps.iter().zip(needed).filter(|(_, needed)| *needed).map(|(step, _)| step.clone()).collect();
        if let Some(Step::Draw { ops: all, .. }) = steps.last_mut() {
            all.truncate(ops);
        }
        Self { surfaces: plan.surfaces.clone(), steps }
    }

    /// How many operations of the result are the same.
    fn common(&self, plan: &FramePlan) -> usize {
        let (ours, theirs) = (result_of(&self.steps), result_of(&plan.steps));
        if self.surfaces.first() != plan.surfaces.first() {
            return 0;
        }
        ours.iter().zip(theirs).take_while(|(ours, theirs)| self.same_op(ours, plan, theirs, 0)).count()
    }

    fn same_op(&self, ours: &Op, plan: &FramePlan, theirs: &Op, depth: usize) -> bool {
        match (ours, theirs) {
            (Op::Surface { surface: ours, transform }, Op::Surface { surface: theirs, transform: there }) => {
                transform == there && self.same_surface(*ours, plan, *theirs, depth + 1)
            }
            _ => ours == theirs,
        }
    }

    fn same_surface(&self, ours: SurfaceId, plan: &FramePlan, theirs: SurfaceId, depth: usize) -> bool {
        if depth > DEEPEST || self.surfaces.get(ours.0) != plan.surfaces.get(theirs.0) {
            return false;
        }
        match (step_into(&self.steps, ours), step_into(&plan.steps, theirs)) {
            (Some(Step::Draw { ops: ours, .. }), Some(Step::Draw { ops: theirs, .. })) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| self.same_op(ours, plan, theirs, depth))
            }
            (Some(Step::Filter { from, kernel, .. }), Some(Step::Filter { from: there, kernel: other, .. })) => {
                kernel == other && self.same_surface(*from, plan, *there, depth + 1)
            }
            _ => false,
        }
    }
}

/// A surface is written once.
fn step_into(steps: &[Step], surface: SurfaceId) -> Option<&Step> {
    steps.iter().find(|step| match step {
        Step::Draw { into, .. } | Step::Filter { into, .. } => *into == surface,
    })
}

/// The operations of the result, which are the last step.
fn result_of(steps: &[Step]) -> &[Op] {
    match steps.last() {
        Some(Step::Draw { into: SurfaceId(0), ops }) => ops,
        _ => &[],
    }
}

/// The most of the first `common` operations after which the rest can be drawn on top: outside of layers, and where nothing that
/// follows mixes its colours with what is below, which it would not see.
fn split(ops: &[Op], common: usize) -> usize {
    let mixes = |op: &Op| matches!(op, Op::PushLayer { blend, .. } if *blend != BlendMode::default());
    let after = ops.iter().rposition(mixes).map_or(0, |at| at + 1);
    let (mut layers, mut found) = (0_usize, 0);
    for (at, op) in ops.iter().enumerate().take(common) {
        match op {
            Op::PushLayer { .. } => layers += 1,
            Op::PopLayer => layers = layers.saturating_sub(1),
            _ => {}
        }
        if layers == 0 && at + 1 >= after {
            found = at + 1;
        }
    }
    found
}

/// Which steps are needed for some operations of the result; the last one is.
pub(super) fn needed(plan: &FramePlan, of: impl SliceIndex<[Op], Output = [Op]> + Clone) -> Vec<bool> {
    let mut surfaces = vec![false; plan.surfaces.len()];
    let mut steps = vec![false; plan.steps.len()];
    let ask = |ops: &[Op], surfaces: &mut Vec<bool>| {
        for op in ops {
            if let Op::Surface { surface, .. } = op
                && let Some(asked) = surfaces.get_mut(surface.0)
            {
                *asked = true;
            }
        }
    };
    let last = plan.steps.len().saturating_sub(1);
    for (at, step) in plan.steps.iter().enumerate().rev() {
        match step {
            Step::Draw { ops, .. } if at == last => {
                ask(ops.get(of.clone()).unwrap_or_default(), &mut surfaces);
                steps[at] = true;
            }
            Step::Draw { into, ops } if surfaces.get(into.0) == Some(&true) => {
                ask(ops, &mut surfaces);
                steps[at] = true;
            }
            Step::Filter { from, into, .. } if surfaces.get(into.0) == Some(&true) => {
                if let Some(asked) = surfaces.get_mut(from.0) {
                    *asked = true;
                }
                steps[at] = true;
            }
            Step::Draw { .. } | Step::Filter { .. } => {}
        }
    }
    steps
}
