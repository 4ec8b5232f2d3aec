//! HTTP providers: the hub's own provider connections, each of which stands in for a provider that asks by HTTP.
//!
//! An envoy joins, says what requests would have said, one after the other, hears what any connection of that provider
//! would hear, and goes home when nobody has asked for a while. So nothing about a request is decided here: its message
//! takes the way that all messages take, and is counted by the same rates.

use std::net::IpAddr;
use std::sync::Arc;

use deskbell_core::Name;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::gateway::fanout::connection::{ConnectionHandle, Identity};
use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::Stream;
use crate::gateway::http::loopback::Loopback;
use crate::gateway::http::pending_calls::{AGAIN_MS, CallKind, CallQueue, Ending, PendingCall, ProviderKey};
use crate::gateway::limits::{client_address, quota::QuotaGuard};
use crate::gateway::session::admission;
use crate::gateway::session::lifecycle::{self, RateLimits};
use crate::gateway::session::reader::SessionEnd;
use crate::gateway::shared::counters::{ConnectionPermit, TurnedAway};
use crate::gateway::shared::settings::HTTP_PROVIDER_IDLE;
use crate::hub::Stopping;
use crate::protocol::outbound::ErrorReply;
use crate::protocol::{Close, Envelope, ErrorCode, Role};

/// No envoy more can be sent out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoProvider {
    /// There are as many connections, or http_providers, as there may be.
    Here,
    /// There are as many connections of that address as there may be.
    There,
}

/// The way to the envoy of `admitted`, a provider, which is sent out if there is none.
///
/// # Errors
/// [`NoProvider`].
pub(crate) fn find_or_join(
    shard: &Arc<Shard<Stream>>,
    admitted: Identity,
    address: IpAddr,
) -> Result<CallQueue, NoProvider> {
    let state = &shard.state;
    let Some(name) = &admitted.name else { return Err(NoProvider::Here) };
    let principal = ProviderKey { workspace: Name::clone(&admitted.workspace), provider: Name::clone(name) };
    let hired = state.http_providers.find_or_join(&principal, |errands, ending| {
        let refused = |why, none| {
            state.counters.count_turned_away(why);
            none
        };
        // Else who may have a few connections could have thousands, under a new name each.
        let spot =
            state.websockets_by_address.join(client_address::place(address), state.settings.connections_per_address);
        let spot = spot.ok_or_else(|| refused(TurnedAway::Address, NoProvider::There))?;
        let seat = ConnectionPermit::take(&state.counters, state.settings.max_connections);
        let seat = seat.ok_or_else(|| refused(TurnedAway::Full, NoProvider::Here))?;
        let post = Post { principal: principal.clone(), errands, ending };
        tokio::spawn(serve(Arc::clone(shard), admitted, address, post, (seat, spot)));
        Ok(())
    });
    hired.map_err(|none| none.unwrap_or(NoProvider::Here))
}

/// Whose envoy, what it is asked, and where it says why it ended.
struct Post {
    principal: ProviderKey,
    errands: mpsc::Receiver<PendingCall>,
    ending: Ending,
}

/// Its places among all connections, and among those of its address.
type Places = (ConnectionPermit, QuotaGuard<IpAddr>);

async fn serve(shard: Arc<Shard<Stream>>, admitted: Identity, address: IpAddr, post: Post, places: Places) {
    let Post { principal, mut errands, ending } = post;
    let inside = Arc::new(Loopback::new(ending.clone()));
    let state = Arc::clone(&shard.state);
    if let Some(link) = shard.admit(Stream::Loopback(Arc::clone(&inside)), address) {
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
    // Calls that still wait learn of the end when their reply channel closes.
    inside.end();
    errands.close();
    state.http_providers.forget(&principal);
    while let Ok(errand) = errands.try_recv() {
        // A client that was disconnected for good gets that refusal instead.
        if !ending.is_final() {
            errand.turn_down();
        }
    }
    drop(places);
}

/// Joins and runs errands until it may go home, or must go with a close code.
async fn work(
    link: &Arc<ConnectionHandle<Stream>>,
    inside: &Loopback,
    admitted: Identity,
    principal: &ProviderKey,
    errands: &mut mpsc::Receiver<PendingCall>,
) -> Option<Close> {
    let state = link.state();
    if state.is_stopping() {
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
    let mut limits = RateLimits::new(link);
    // It is heard as often as the hub wants to hear of a client.
    let pause = HTTP_PROVIDER_IDLE.min(state.settings.idle_timeout / 2);
    let mut asked_at = Instant::now();
    loop {
        link.heard();
        match timeout(pause, errands.recv()).await {
            Ok(Some(errand)) => {
                asked_at = Instant::now();
                if let Err(why) = run(link, inside, &mut limits, errand).await {
                    return Some(why);
                }
            }
            Ok(None) => return None,
            Err(_) => {
                if asked_at.elapsed() >= HTTP_PROVIDER_IDLE && state.http_providers.leave_if_idle(principal) {
                    return None;
                }
            }
        }
    }
}

/// Runs one errand, up to the hub's reply.
async fn run(
    link: &Arc<ConnectionHandle<Stream>>,
    inside: &Loopback,
    limits: &mut RateLimits,
    errand: PendingCall,
) -> Result<(), Close> {
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
    let permit = link.permit().await;
    let heard = match errand.asks {
        CallKind::Say(text) => lifecycle::hear(link, Role::Provider, limits, &text),
        CallKind::Recall(notification_id) => lifecycle::recall(link, limits, notification_id),
    };
    let done = match heard {
        Ok(Some(input)) => permit.and_then(|permit| link.submit(permit, input)),
        Ok(None) => Ok(()),
        // Each request is told that it comes too soon; there is no connection of the client's to close.
        Err(SessionEnd::Close(Close::TooManyMessages)) => Ok(()),
        Err(SessionEnd::Close(why)) => return Err(why),
        Err(_) => return Err(Close::GoingAway),
    };
    if let Err(Stopping) = done {
        let ids = Envelope::default();
        let (code, detail) = (ErrorCode::Unavailable, "the hub is stopping; nothing was done");
        link.refuse(&ErrorReply::new(ids, None, code, detail).retry_after_ms(AGAIN_MS));
    }
    inside.answered().await;
    Ok(())
}
