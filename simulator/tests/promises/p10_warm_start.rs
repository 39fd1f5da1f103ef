//! Promise 10: after a start nothing is disrupted until things have settled; budgets are counted over the end of the program.

use crate::{
    scene::Scene,
    watch::{Fact, Watch},
};

#[test]
fn a_start_disrupts_nothing_until_things_have_settled() {
    crate::sweep::holds(10);
}

#[derive(Debug)]
pub(crate) struct Watcher;

impl Watch for Watcher {
    fn promise(&self) -> usize {
        10
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        if !matches!(fact, Fact::Recorded(_)) {
            return Ok(());
        }
        crate::p03_budgets::kept(scene, |_| true)?;
        let Some(flight) = scene.beginning().filter(|flight| flight.disrupts()) else { return Ok(()) };
        for guard in scene.guards_of(flight) {
            let Some(settle) = guard.settle else { continue };
            let id = flight.plan.id;
            if scene.decided < scene.started + settle {
                return Err(format!("plan {id} begins {} after the start", scene.decided.since(scene.started)));
            }
            if !scene.listed {
                return Err(format!("plan {id} begins before anybody has listed what there is"));
            }
        }
        Ok(())
    }
}
