//! The generic cell rate algorithm, in memory and as a script: one time per subject, until which it has used its budget up.
//!
//! Each try that passes moves that time on by its share of the window; a try passes while the time is less than a window ahead.

use std::time::Duration;

use crate::window::verdict;
use crate::{Verdict, Window};

/// KEYS: one time (in µs) per window. ARGV and answer as for [`crate::sliding::COUNT`]. Counts in no window what one of them refuses.
pub(crate) const COUNT: &str = r"
local tries, now, out, pass = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000, {}, true
local ahead, share = {}, {}
for i, key in ipairs(KEYS) do
  local length, limit = tonumber(ARGV[2 * i + 1]) * 1000, tonumber(ARGV[2 * i + 2])
  share[i] = math.max(math.floor(length / limit), 1)
  ahead[i] = math.min(math.max(tonumber(redis.call('GET', key) or 0) - now, 0), share[i] * limit)
  local used = math.ceil(ahead[i] / share[i])
  pass = pass and used + tries <= limit
  out[#out + 1] = used
  out[#out + 1] = math.ceil(math.max(ahead[i] + share[i] * (math.max(tries, 1) - limit), 0) / 1000)
  out[#out + 1] = math.ceil((ahead[i] + share[i] * tries) / 1000)
end
if pass and tries > 0 then
  for i, key in ipairs(KEYS) do
    local until_us = ahead[i] + share[i] * tries
    redis.call('SET', key, string.format('%.0f', now + until_us), 'PX', string.format('%.0f', math.ceil(until_us / 1000)))
  end
end
return out";

/// KEYS and ARGV as for [`COUNT`].
pub(crate) const GIVE_BACK: &str = r"
for i, key in ipairs(KEYS) do
  local time = redis.call('GET', key)
  local share = math.max(math.floor(tonumber(ARGV[2 * i + 1]) * 1000 / tonumber(ARGV[2 * i + 2])), 1)
  if time then redis.call('SET', key, string.format('%.0f', tonumber(time) - share), 'KEEPTTL') end
end
return 0";

/// Until when, in µs since 1970, the budget is used up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell(u64);

impl Cell {
    pub(crate) fn look(&self, window: &Window, tries: u32, now_ms: u64) -> Verdict {
        let (share, ahead) = (share_us(window), self.ahead_us(window, now_ms));
        let used = u32::try_from(ahead.div_ceil(share)).unwrap_or(u32::MAX);
        let asked = ahead.saturating_add(share.saturating_mul(u64::from(tries.max(1))));
        let wait = asked.saturating_sub(share.saturating_mul(u64::from(window.tries_max)));
        let reset = ahead.saturating_add(share.saturating_mul(u64::from(tries)));
        verdict(window, used, tries, whole_ms(wait), whole_ms(reset))
    }

    pub(crate) fn take(&mut self, window: &Window, tries: u32, now_ms: u64) {
        let ahead = self.ahead_us(window, now_ms);
        self.0 = now_ms * 1000 + ahead + share_us(window) * u64::from(tries);
    }

    pub(crate) fn give_back(&mut self, window: &Window) {
        self.0 = self.0.saturating_sub(share_us(window));
    }

    /// Never more than a whole window: a clock that went back keeps nobody out for longer.
    fn ahead_us(&self, window: &Window, now_ms: u64) -> u64 {
        self.0.saturating_sub(now_ms * 1000).min(share_us(window) * u64::from(window.tries_max))
    }
}

/// What each try costs.
fn share_us(window: &Window) -> u64 {
    (window.length_ms().saturating_mul(1000) / u64::from(window.tries_max.max(1))).max(1)
}

fn whole_ms(us: u64) -> Duration {
    Duration::from_millis(us.div_ceil(1000))
}
