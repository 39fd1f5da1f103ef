//! Graduated autonomy: a policy may do more by itself once people have agreed with enough of its plans, one after the other.
//!
//! ```text
//!   agreed 0 --agrees--> 1 .. --agrees--> `after`: promoted to the declared mode
//!      ^---------- disagrees ----'                     |
//!      `------------- a plan of its own failed --------'
//! ```

use homeostat_model::{Mode, Promotion};
use serde::{Deserialize, Serialize};

/// How far a policy has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How many plans people have agreed with, one after the other.
    pub agreed: u16,
    /// The mode that it was promoted to.
    pub mode: Option<Mode>,
}

impl Standing {
    /// Somebody agreed with a plan or not; gives the mode, if it is promoted by that.
    pub fn judged(&mut self, agree: bool, rule: &Promotion) -> Option<Mode> {
        if !agree {
            self.agreed = 0;
            return None;
        }
        self.agreed = self.agreed.saturating_add(1);
        if self.agreed < rule.after || self.mode.is_some() {
            return None;
        }
        self.mode = Some(rule.to);
        self.mode
    }

    /// A plan failed that it carried out; gives whether it is no longer promoted by that.
    pub fn failed(&mut self) -> bool {
        self.agreed = 0;
        self.mode.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_many_as_declared_one_after_the_other_promote() {
        let rule = Promotion { after: 3, to: Mode::Auto };
        let mut standing = Standing::default();
        let judged = [true, true, false, true, true, true].map(|agree| standing.judged(agree, &rule));
        assert_eq!(judged, [None, None, None, None, None, Some(Mode::Auto)]);
        assert_eq!(standing.judged(true, &rule), None, "once");
        assert!(standing.failed());
        assert!(!standing.failed());
        assert_eq!((standing.agreed, standing.mode), (0, None));
    }
}
