//! A cache of the pixels of a common prefix of drawing operations, for pages that begin with the same ones.
//!
//! Rows of a batch differ in some texts and pictures. Everything below the first varying element is identical across
//! rows. The design does not say where that is, so the plans are compared operation by operation. A surface that is
//! drawn in two parts (`ops_cpu`) has the same bytes as one drawn at once; therefore the pixels after the prefix serve
//! every page that begins with the same operations.
//!
//! The prefix is what the first two pages share. It becomes shorter when a page shares less of it, and never longer, so
//! that rows which happen to be equal cost little. Only the CPU painter uses the cache.

use std::slice::SliceIndex;
use std::sync::Arc;

use parking_lot::Mutex;
use peniko::BlendMode;

use super::plan::{FramePlan, Op, Step, SurfaceId};
use crate::units::DeviceSize;

/// Maximum number of pages per design that have a cached prefix; later pages are painted in full.
const MAX_PAGES: usize = 4;
/// Maximum bytes of cached pixels per design. Pages that exceed their share are painted in full.
const MAX_BYTES: u64 = 64 << 20;
/// Maximum nesting of surfaces that are compared; deeper ones count as different.
const MAX_DEPTH: usize = 16;

/// A page of a [`PrefixCache`].
#[derive(Clone, Debug)]
pub struct PagePrefix {
    /// Cache that renders of the same design share.
    pub cache: Arc<PrefixCache>,
    /// Index of the page among those of its render.
    pub page: usize,
}

/// Cached prefixes of the pages of one design, shared by the renders of all its rows.
#[derive(Debug, Default)]
pub struct PrefixCache(Mutex<[PageState; MAX_PAGES]>);

#[derive(Clone, Debug, Default)]
enum PageState {
    /// The page has not been painted yet.
    #[default]
    Empty,
    /// The page was painted once, with this plan.
    FirstPlan(Arc<PlanSteps>),
    /// The pages painted so far share this prefix.
    Cached(Arc<CachedPrefix>),
    /// The pages painted so far share no prefix.
    NoPrefix,
}

/// Steps of a plan that are compared with those of other pages.
#[derive(Debug)]
struct PlanSteps {
    surfaces: Vec<DeviceSize>,
    steps: Vec<Step>,
}

/// A prefix of operations and the pixels after it.
#[derive(Debug)]
pub(super) struct CachedPrefix {
    /// The operations of the prefix with the steps that they need.
    steps: PlanSteps,
    /// Pixels of the result surface after the prefix, premultiplied RGBA8.
    pub(super) pixels: Vec<u8>,
}

/// How a page uses the cache.
pub(super) enum PrefixUse {
    /// The page is painted in full.
    Full,
    /// The page is painted on top of the cached pixels.
    Resume(Arc<CachedPrefix>),
    /// The page is painted in full, and the pixels after this many operations are recorded.
    Record(usize),
}

impl PrefixCache {
    /// Compares `plan` with the earlier plans of the page with index `page` and says how it is to be painted.
    pub(super) fn shared_prefix(&self, page: usize, plan: &FramePlan) -> PrefixUse {
        let Some(state) = self.0.lock().get(page).cloned() else { return PrefixUse::Full };
        if plan.surfaces.first().is_none_or(|size| size.pixels() * 4 * MAX_PAGES as u64 > MAX_BYTES) {
            return PrefixUse::Full;
        }
        let (common, cached) = match state {
            PageState::NoPrefix => return PrefixUse::Full,
            PageState::Empty => {
                self.set(page, PageState::FirstPlan(Arc::new(PlanSteps::of(plan))));
                return PrefixUse::Full;
            }
            PageState::FirstPlan(first) => (first.common_ops(plan), None),
            PageState::Cached(cached) => (cached.steps.common_ops(plan), Some(cached)),
        };
        match (resumable_prefix(result_ops(&plan.steps), common), cached) {
            (0, _) => {
                self.set(page, PageState::NoPrefix);
                PrefixUse::Full
            }
            (ops, Some(cached)) if ops == cached.ops() => PrefixUse::Resume(cached),
            (ops, _) => PrefixUse::Record(ops),
        }
    }

    /// Stores the pixels after the first `ops` operations of `plan`, after [`Self::shared_prefix`] returned
    /// [`PrefixUse::Record`].
    pub(super) fn record(&self, page: usize, plan: &FramePlan, ops: usize, pixels: Vec<u8>) {
        self.set(page, PageState::Cached(Arc::new(CachedPrefix { steps: PlanSteps::prefix_of(plan, ops), pixels })));
    }

    /// Number of operations in the cached prefix of the page with index `page`.
    #[cfg(test)]
    pub(super) fn prefix_ops(&self, page: usize) -> Option<usize> {
        match self.0.lock().get(page) {
            Some(PageState::Cached(cached)) => Some(cached.ops()),
            _ => None,
        }
    }

    /// Changes the state of a page. [`PageState::NoPrefix`] is final, even for renders that began before it was set.
    fn set(&self, page: usize, state: PageState) {
        match self.0.lock().get_mut(page) {
            None | Some(PageState::NoPrefix) => {}
            Some(current) => *current = state,
        }
    }
}

impl CachedPrefix {
    /// Number of operations of the result surface in the prefix.
    pub(super) fn ops(&self) -> usize {
        result_ops(&self.steps.steps).len()
    }
}

impl PlanSteps {
    fn of(plan: &FramePlan) -> Self {
        Self { surfaces: plan.surfaces.clone(), steps: plan.steps.clone() }
    }

    /// The steps that the first `ops` operations of the result need. Others are dropped, because they may hold large
    /// pictures of a single row.
    fn prefix_of(plan: &FramePlan, ops: usize) -> Self {
        let required = required_steps(plan, ..ops);
        let mut steps: Vec<_> =
            plan.steps.iter().zip(required).filter(|(_, required)| *required).map(|(step, _)| step.clone()).collect();
        if let Some(Step::Draw { ops: all, .. }) = steps.last_mut() {
            all.truncate(ops);
        }
        Self { surfaces: plan.surfaces.clone(), steps }
    }

    /// Number of leading operations of the result that are equal in both.
    fn common_ops(&self, plan: &FramePlan) -> usize {
        let (ours, theirs) = (result_ops(&self.steps), result_ops(&plan.steps));
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
        if depth > MAX_DEPTH || self.surfaces.get(ours.0) != plan.surfaces.get(theirs.0) {
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

/// The step that writes `surface`; every surface is written once.
fn step_into(steps: &[Step], surface: SurfaceId) -> Option<&Step> {
    steps.iter().find(|step| match step {
        Step::Draw { into, .. } | Step::Filter { into, .. } => *into == surface,
    })
}

/// The operations on the result surface, which are the last step.
fn result_ops(steps: &[Step]) -> &[Op] {
    match steps.last() {
        Some(Step::Draw { into: SurfaceId(0), ops }) => ops,
        _ => &[],
    }
}

/// Number of operations, at most `common`, after which the rest can be drawn on top.
///
/// No layer is open there, and no later layer has a blend mode that reads its backdrop, which would be missing.
fn resumable_prefix(ops: &[Op], common: usize) -> usize {
    let reads_backdrop = |op: &Op| matches!(op, Op::PushLayer { blend, .. } if *blend != BlendMode::default());
    let after = ops.iter().rposition(reads_backdrop).map_or(0, |at| at + 1);
    let (mut layers, mut prefix) = (0_usize, 0);
    for (at, op) in ops.iter().enumerate().take(common) {
        match op {
            Op::PushLayer { .. } => layers += 1,
            Op::PopLayer => layers = layers.saturating_sub(1),
            _ => {}
        }
        if layers == 0 && at + 1 >= after {
            prefix = at + 1;
        }
    }
    prefix
}

/// For each step of `plan`, whether the operations `of` of the result need it. The last step is always needed.
pub(super) fn required_steps(plan: &FramePlan, of: impl SliceIndex<[Op], Output = [Op]> + Clone) -> Vec<bool> {
    let mut surfaces = vec![false; plan.surfaces.len()];
    let mut steps = vec![false; plan.steps.len()];
    let require = |ops: &[Op], surfaces: &mut Vec<bool>| {
        for op in ops {
            if let Op::Surface { surface, .. } = op
                && let Some(required) = surfaces.get_mut(surface.0)
            {
                *required = true;
            }
        }
    };
    let last = plan.steps.len().saturating_sub(1);
    for (at, step) in plan.steps.iter().enumerate().rev() {
        match step {
            Step::Draw { ops, .. } if at == last => {
                require(ops.get(of.clone()).unwrap_or_default(), &mut surfaces);
                steps[at] = true;
            }
            Step::Draw { into, ops } if surfaces.get(into.0) == Some(&true) => {
                require(ops, &mut surfaces);
                steps[at] = true;
            }
            Step::Filter { from, into, .. } if surfaces.get(into.0) == Some(&true) => {
                if let Some(required) = surfaces.get_mut(from.0) {
                    *required = true;
                }
                steps[at] = true;
            }
            Step::Draw { .. } | Step::Filter { .. } => {}
        }
    }
    steps
}
