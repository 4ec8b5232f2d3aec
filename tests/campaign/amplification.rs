//! One provider makes the hub send as much as it may: what another one's agent notices of it between accept and result.
//!
//! The receivers, and this provider, run in other processes ([`Apart`]). As with hostile clients three conditions take turns: the
//! agents are there and quiet; the same on another hub; he shouts. The agents are there throughout.

use std::time::Duration;

use crate::apart::Apart;
use crate::audience::{AUDIENCE, SHOUT};
use crate::harness::Setup;
use crate::table::Table;
use crate::usage::{connections_max, processor};
use crate::work::{Shown, Waits, median_is_held, ratio};

const CONFIG: &str = "[limits]\nmaxConnections = 100000";

/// The number of rounds for each condition, because the machine's other work changes from second to second.
const ROUNDS: u32 = 10;

/// Measures for `look` each; prints. True if everybody was served and, where `yields`, the other provider's median wait at most
/// doubled. `yields`: see [`Apart::start`].
pub(crate) async fn run(agents: u64, look: Duration, yields: bool) -> bool {
    // Both hubs have all of them.
    let agents = agents.min(connections_max());
    let hub = Setup::on_disk().config(CONFIG).start().await;
    let control = Setup::on_disk().config(CONFIG).start().await;
    let audiences = [&control, &hub].map(|hub| Apart::start(AUDIENCE, hub.port, agents, yields));
    let mut table = Table::new("amplification");
    table.row("agents who get every kpi", agents);
    table.row("they get only idle processor time", if yields { "yes" } else { "NO" });
    let (mut alone, mut beside, mut under) = (Waits::default(), Waits::default(), Waits::default());
    let (mut taken, mut refused) = (0.0, 0.0);
    let (each, seconds) = (look / ROUNDS, look.as_secs_f64());
    let mut busy = Duration::ZERO;
    for round in 0..ROUNDS {
        alone.measure(hub.port, &format!("alone-{round}"), each).await;
        let shouting = Apart::start(SHOUT, control.port, 1, yields);
        beside.measure(hub.port, &format!("control-{round}"), each).await;
        shouting.stop();
        let shouting = Apart::start(SHOUT, hub.port, 1, yields);
        let before = processor(&hub.pid());
        under.measure(hub.port, &format!("beside-{round}"), each).await;
        busy += processor(&hub.pid()) - before;
        let done = shouting.stop();
        taken += done["sent"].as_f64().unwrap() * each.as_secs_f64();
        refused += done["refused"].as_f64().unwrap() * each.as_secs_f64();
    }
    // Only where the receivers get nothing but idle processor time: else this measures the machine, not the hub.
    let held = !yields || median_is_held(&under.accept, [&alone.accept, &beside.accept]);
    let times = |of: &Waits, than: &Waits| format!("p99 × {:.2}", ratio(&of.accept, &than.accept));
    table.row("accept to result, nobody else", Shown(&alone.accept));
    table.row("  while another hub sends to all", format!("{}, {}", Shown(&beside.accept), times(&beside, &alone)));
    table.row("  while this hub sends to all", format!("{}, {}", Shown(&under.accept), times(&under, &alone)));
    table.row("  the latter to the former", times(&under, &beside));
    table.row("kpi taken, and refused as rateLimited", format!("{taken:.0}, {refused:.0}"));
    if yields {
        table.row("the other provider's median at most doubled", if held { "yes" } else { "NO" });
    }
    table.row("the hub's processors", format!("{:.2}", busy.as_secs_f64() / seconds));
    table.print();
    let read = audiences.map(|audience| audience.stop()["read"].as_f64().unwrap() > 0.0);
    control.terminate();
    hub.terminate();
    held && !under.accept.is_empty() && taken > 0.0 && read == [true, true] && hub.exit().await.code == Some(0)
}
