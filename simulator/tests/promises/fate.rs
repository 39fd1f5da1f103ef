//! What can go wrong: on the way to an adapter and back, with the inventory, with the clock, with the disk, with people.

use homeostat_model::Duration;

use crate::draw::Draw;

/// What becomes of a step that is dispatched, and of its report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// It is done as well as it can be, and that is reported.
    Honest,
    /// The same; the report is late.
    Late(Duration),
    /// The same; the report comes again, at once and later.
    Twice(Duration),
    /// It is done, and the report is lost.
    Unheard,
    /// Nothing is done, and nothing is reported.
    Hangs,
    /// The adapter's check says no.
    Refused,
    /// Nothing is done, and that is reported.
    Fails(Duration),
    /// Nothing is done; it is reported as done.
    LiesDone,
    /// It is done; it is reported as failed.
    LiesFailed,
    /// Honest, and beside it come reports of other plans, keys and generations.
    Foreign,
}

impl Fate {
    pub(crate) fn draw(draw: &mut Draw, trouble: u64, lies: bool) -> Self {
        if !draw.chance(trouble) {
            return Self::Honest;
        }
        match draw.below(if lies { 14 } else { 10 }) {
            0 => Self::Late(draw.seconds(1, 600)),
            1 => Self::Twice(draw.seconds(1, 300)),
            2 => Self::Unheard,
            3 => Self::Hangs,
            4 => Self::Refused,
            5..8 => Self::Fails(draw.seconds(0, 40)),
            8 | 9 => Self::Foreign,
            10 | 11 => Self::LiesDone,
            _ => Self::LiesFailed,
        }
    }
}

/// What happens at its time, beside what the data centre does by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Happening {
    /// A machine crashes.
    Crash,
    /// A host dies.
    Kill,
    /// A host can no longer be reached.
    Isolate,
    /// Everything that is down comes back.
    Revive,
    /// The load of some machines is another from now on; or that of a host.
    Load,
    /// What is measured is told.
    Sample,
    /// The inventory tells of what was, not of what is.
    Stale,
    /// A list of all there is lacks something.
    Partial,
    /// A true list of all there is.
    Snapshot,
    /// An event comes long after it happened.
    OldEvent,
    /// The clock goes forward.
    Forward,
    /// The clock goes back, for once.
    Back,
    /// A person approves of something, rejects it, or calls it off.
    Person,
    /// A person pauses the engine, or lets it go on.
    Pause,
    /// The same policies are loaded again.
    Reload,
    /// The program is killed after so many records more.
    Die,
    /// The next write of the journal fails, or the disk is full.
    Disk,
    /// Somebody asks for explanations.
    Ask,
}

/// How often each happens, by comparison.
const OFTEN: [(u64, Happening); 17] = [
    (22, Happening::Crash),
    (6, Happening::Kill),
    (4, Happening::Isolate),
    (5, Happening::Revive),
    (22, Happening::Load),
    (4, Happening::Stale),
    (3, Happening::Partial),
    (4, Happening::Snapshot),
    (3, Happening::OldEvent),
    (2, Happening::Forward),
    (2, Happening::Back),
    (16, Happening::Person),
    (2, Happening::Pause),
    (2, Happening::Reload),
    (3, Happening::Die),
    (2, Happening::Disk),
    (6, Happening::Ask),
];

impl Happening {
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        let mut place = draw.below(OFTEN.iter().map(|(often, _)| often).sum());
        for (often, happening) in OFTEN {
            if place < often {
                return happening;
            }
            place -= often;
        }
        Self::Ask
    }
}
