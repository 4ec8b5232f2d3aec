//! Envoys: the hub's own provider connections, each of which stands in for a provider that asks by HTTP.
//!
//! An envoy joins, says what requests would have said, one after the other, hears what any connection of that provider
//! would hear, and goes home when nobody has asked for a while. So nothing about a request is decided here: its message
//! takes the way that all messages take, and is counted by the same rates.

use std::net::IpAddr;
use std::sync::Arc;

use deskbell_core::Name;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::address::{self, Spot};
use super::admission;
use super::connection::{self, Manners};
use super::counters::{Seat, Turned};
use super::errand::{AGAIN_MS, Asks, Ending, Errand, Principal, Way};
use super::inside::Inside;
use super::link::{Admitted, Link};
use super::reader::End;
use super::settings::ENVOY_IDLE;
use super::shard::Shard;
use super::stream::Stream;
use crate::hub::Stopping;
use crate::protocol::outbound::{ErrorReply, ReplyIds};
use crate::protocol::{Close, ErrorCode, Role};

/// No envoy more can be sent out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoneLeft {
    /// There are as many connections, or envoys, as there may be.
    Here,
    /// There are as many connections of that address as there may be.
    There,
}

/// The way to the envoy of `admitted`, a provider, which is sent out if there is none.
///
/// # Errors
/// [`NoneLeft`].
pub(super) fn hire(shard: &Arc<Shard<Stream>>, admitted: Admitted, address: IpAddr) -> Result<Way, NoneLeft> {
    let house = &shard.house;
    let Some(name) = &admitted.name else { return Err(NoneLeft::Here) };
    let principal = Principal { workspace: Name::clone(&admitted.workspace), provider: Name::clone(name) };
    let hired = house.envoys.find_or_hire(&principal, |errands, ending| {
        let refused = |why, none| {
            house.counters.turned_away(why);
            none
        };
        // Else who may have a few connections could have thousands, under a new name each.
        let spot = house.seated.join(address::place(address), house.settings.connections_per_address);
        let spot = spot.ok_or_else(|| refused(Turned::Address, NoneLeft::There))?;
        let seat = Seat::take(&house.counters, house.settings.max_connections);
        let seat = seat.ok_or_else(|| refused(Turned::Full, NoneLeft::Here))?;
        let post = Post { principal: principal.clone(), errands, ending };
        tokio::spawn(serve(Arc::clone(shard), admitted, address, post, (seat, spot)));
        Ok(())
    });
    hired.map_err(|none| none.unwrap_or(NoneLeft::Here))
}

/// Whose envoy, what it is asked, and where it says why it ended.
struct Post {
    principal: Principal,
    errands: mpsc::Receiver<Errand>,
    ending: Ending,
}

/// Its places among all connections, and among those of its address.
type Places = (Seat, Spot<IpAddr>);

async fn serve(shard: Arc<Shard<Stream>>, admitted: Admitted, address: IpAddr, post: Post, places: Places) {
    let Post { principal, mut errands, ending } = post;
    let inside = Arc::new(Inside::new(ending.clone()));
    let house = Arc::clone(&shard.house);
    if let Some(link) = shard.admit(Stream::Inside(Arc::clone(&inside)), address) {
        let why = tokio::select! {
            biased;
            () = link.cut() => None,
            why = work(&link, &inside, admitted, &principal, &mut errands) => why,
        };
        if let Some(why) = why {
            link.close(why);
        }
        link.leave();
        shard.dismiss(link.serial);
    }
    // Who waits is told by the loss of what they sent.
    inside.end();
    errands.close();
    house.envoys.forget(&principal);
    while let Ok(errand) = errands.try_recv() {
        // Who is shown out is told so instead.
        if !ending.is_final() {
            errand.turn_down();
        }
    }
    drop(places);
}

/// Joins and runs errands until it may go home, or must go with a close code.
async fn work(
    link: &Arc<Link<Stream>>,
    inside: &Inside,
    admitted: Admitted,
    principal: &Principal,
    errands: &mut mpsc::Receiver<Errand>,
) -> Option<Close> {
    let house = link.house();
    if house.is_stopping() {
        return Some(Close::GoingAway);
    }
    let issued_ms = admitted.issued_ms;
    if link.join(admitted).is_err() {
        return Some(Close::GoingAway);
    }
    if admission::is_revoked(link, issued_ms) {
        return Some(Close::BadToken);
    }
    link.welcomed().await;
    let mut manners = Manners::new(link);
    // It is heard as often as the hub wants to hear of a client.
    let pause = ENVOY_IDLE.min(house.settings.idle_timeout / 2);
    let mut asked_at = Instant::now();
    loop {
        link.heard();
        match timeout(pause, errands.recv()).await {
            Ok(Some(errand)) => {
                asked_at = Instant::now();
                if let Err(why) = run(link, inside, &mut manners, errand).await {
                    return Some(why);
                }
            }
            Ok(None) => return None,
            Err(_) => {
                if asked_at.elapsed() >= ENVOY_IDLE && house.envoys.relieve(principal) {
                    return None;
                }
            }
        }
    }
}

/// Runs one errand, up to the hub's reply.
async fn run(link: &Arc<Link<Stream>>, inside: &Inside, manners: &mut Manners, errand: Errand) -> Result<(), Close> {
    if errand.asked.reply.is_closed() {
        // Whoever asked has gone before it began.
        return Ok(());
    }
    if errand.ends_ms.is_some_and(|ends_ms| !link.last_until(ends_ms)) {
        // The tokens before it have ended, and this connection with them; another one will do.
        errand.turn_down();
        return Err(Close::BadToken);
    }
    inside.expect(errand.asked);
    let room = link.room().await;
    let heard = match errand.asks {
        Asks::Say(text) => connection::hear(link, Role::Provider, manners, &text),
        Asks::Recall(notification_id) => connection::recall(link, manners, notification_id),
    };
    let done = match heard {
        Ok(Some(input)) => room.and_then(|room| link.submit(room, input)),
        Ok(None) => Ok(()),
        // Each request is told that it comes too soon; there is no connection of the client's to close.
        Err(End::Close(Close::TooManyMessages)) => Ok(()),
        Err(End::Close(why)) => return Err(why),
        Err(_) => return Err(Close::GoingAway),
    };
    if let Err(Stopping) = done {
        let ids = ReplyIds::default();
        let (code, detail) = (ErrorCode::Unavailable, "the hub is stopping; nothing was done");
        link.refuse(&ErrorReply { ids, call: None, code, detail, retry_after_ms: Some(AGAIN_MS) });
    }
    inside.answered().await;
    Ok(())
}
