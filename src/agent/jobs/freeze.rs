//! Holding a service's writers still during its captures, and letting them go again whatever happens.
//!
//! Who thaws: the capture itself, as soon as it is over, well or not; a watchdog of this process at the hook's limit,
//! should the capture hang; at that limit too a process of its own ([`thaw_guard`](super::thaw_guard)), should this one hang or die;
//! the agent's next start, from the ledger, if it comes first; and the service itself: the hook is told the limit
//! (`UNDERSTUDY_LIMIT_SECS`) and must not hold longer, should the whole host die.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Site;
use super::hooks::{self, HookCall};
use super::thaw_guard::Guarding;
use crate::domain::{Hook, PointId, Service, Trouble};
use crate::store::agent::Ledger;

/// How often a thaw is tried.
const THAW_ATTEMPTS: u32 = 3;

/// A service held still.
pub struct Freeze {
    inner: Arc<Inner>,
    watchdog: AbortHandle,
    guard: Option<Guarding>,
    until: Instant,
}

struct Inner {
    site: Arc<Site>,
    service: Service,
    point: PointId,
    /// Whether the thaw is over, by whom ever.
    thawed: Mutex<bool>,
}

impl Freeze {
    /// Runs the freeze hook. On failure what may be frozen is thawed again.
    pub async fn begin(site: &Arc<Site>, service: &Service, hook: &Hook, point: PointId) -> Result<Freeze, Trouble> {
        let inner = Arc::new(Inner { site: site.clone(), service: service.clone(), point, thawed: Mutex::new(false) });
        site.ledger.note_freeze(point, service)?;
        let guard = match &site.thaw_guard {
            Some(guard) => match guard.start(point).await {
                Ok(guarding) => Some(guarding),
                Err(trouble) => {
                    // Nothing is frozen yet.
                    site.ledger.forget_freeze(point)?;
                    return Err(trouble);
                }
            },
            None => None,
        };
        let until = Instant::now() + Duration::from_secs(u64::from(hook.limit_secs.max(1)));
        let watched = inner.clone();
        let watchdog = tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            tracing::warn!(service = %watched.service.name, "the freeze reached its limit, thawing");
            if let Err(trouble) = watched.thaw().await {
                tracing::error!(%trouble, "cannot thaw");
            }
        })
        .abort_handle();
        let freeze = Freeze { inner, watchdog, guard, until };
        let call = HookCall { event: "freeze", service: service.name.clone(), point, limit_secs: hook.limit_secs };
        match hooks::call(hook, &call).await {
            Ok(()) => Ok(freeze),
            Err(trouble) => {
                if let Err(second) = freeze.end().await {
                    tracing::error!(trouble = %second, "cannot thaw after a freeze that failed");
                }
                Err(trouble)
            }
        }
    }

    /// Thaws, and tells whether the writers were held until now.
    pub async fn end(self) -> Result<bool, Trouble> {
        let held = Instant::now() < self.until && !*self.inner.thawed.lock().await;
        self.inner.thaw().await?;
        self.watchdog.abort();
        if let Some(guard) = self.guard {
            guard.end().await;
        }
        Ok(held)
    }
}

impl Inner {
    async fn thaw(&self) -> Result<(), Trouble> {
        let mut thawed = self.thawed.lock().await;
        if !*thawed {
            thaw(&self.site.ledger, &self.service, self.point).await?;
            *thawed = true;
        }
        Ok(())
    }
}

/// Thaws what an agent that died left frozen. Called when the agent starts.
pub async fn recover(site: &Site) -> Result<(), Trouble> {
    for (point, service) in site.ledger.freezes()? {
        tracing::warn!(service = %service.name, %point, "thawing what was left frozen");
        thaw(&site.ledger, &service, point).await?;
    }
    Ok(())
}

/// Runs the thaw hook, a few times if it must, and forgets the freeze.
pub(super) async fn thaw(ledger: &Ledger, service: &Service, point: PointId) -> Result<(), Trouble> {
    if let Some(hook) = &service.thaw {
        let call = HookCall { event: "thaw", service: service.name.clone(), point, limit_secs: hook.limit_secs };
        let mut attempt = 1;
        while let Err(trouble) = hooks::call(hook, &call).await {
            if attempt == THAW_ATTEMPTS {
                return Err(trouble.next(format!("thaw {} by hand: its writers may be held", service.name)));
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    ledger.forget_freeze(point)
}
