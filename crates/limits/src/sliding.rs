//! Windows that slide in steps, in memory and as a script: the tries of each step are counted, the oldest step whole.

use std::time::Duration;

use crate::window::verdict;
use crate::{Verdict, Window};

/// Steps a window slides in. More steps follow the ideal window closer and cost more to add up.
const STEPS: u64 = 12;

/// KEYS: one hash per window. ARGV: tries, the time in ms, then per window its length in ms and its limit. Gives per window: tries in it
/// before, ms until there is room, ms until it is as good as new. A field is a step's number, its value the tries in it; fields older
/// than the window are removed as they are met.
pub(crate) const COUNT: &str = r"
local tries, now, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local length, limit = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local step_ms = math.max(math.floor(length / 12), 1)
  local step = math.floor(now / step_ms)
  local steps, used, aged = redis.call('HGETALL', key), 0, {}
  for j = 1, #steps, 2 do
    local at, count = tonumber(steps[j]), tonumber(steps[j + 1])
    if at < step - 12 then
      redis.call('HDEL', key, steps[j])
    else
      local age = math.max(step - at, 0)
      used = used + count
      aged[age] = (aged[age] or 0) + count
    end
  end
  if tries > 0 then
    redis.call('HINCRBY', key, string.format('%.0f', step), tries)
    redis.call('PEXPIRE', key, step_ms * 14)
  end
  local leaving, left, room = used + tries + math.max(tries, 1) - limit, 0, 0
  for age = 12, 1, -1 do
    left = left + (aged[age] or 0)
    if left >= leaving then
      room = age
      break
    end
  end
  out[#out + 1] = used
  out[#out + 1] = (13 - room) * step_ms - now % step_ms
  out[#out + 1] = length
end
return out";

/// KEYS: one hash per window. Takes one try out of the newest step that has any.
pub(crate) const GIVE_BACK: &str = r"
for _, key in ipairs(KEYS) do
  local steps, newest = redis.call('HGETALL', key), nil
  for j = 1, #steps, 2 do
    if tonumber(steps[j + 1]) > 0 and (not newest or tonumber(steps[j]) > tonumber(newest)) then newest = steps[j] end
  end
  if newest then redis.call('HINCRBY', key, newest, -1) end
end
return 0";

/// Tries per step, newest step first known by its number since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    newest: u64,
    counts: [u32; STEPS as usize + 1],
}

impl Steps {
    pub(crate) fn look(&mut self, window: &Window, tries: u32, now_ms: u64) -> Verdict {
        let step_ms = (window.length_ms() / STEPS).max(1);
        self.slide(now_ms / step_ms);
        let used = self.counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
        let leaving =
            used.saturating_add(tries).saturating_add(tries.max(1)).saturating_sub(window.tries_max);
        let wait_ms = (STEPS + 1).saturating_sub(self.room_age(leaving)) * step_ms - now_ms % step_ms;
        verdict(window, used, tries, Duration::from_millis(wait_ms), window.length)
    }

    pub(crate) fn take(&mut self, tries: u32) {
        if let Some(newest) = self.counts.first_mut() {
            *newest = newest.saturating_add(tries);
        }
    }

    /// The newest there is.
    pub(crate) fn give_back(&mut self) {
        if let Some(count) = self.counts.iter_mut().find(|count| **count > 0) {
            *count -= 1;
        }
    }

    /// A clock that went back counts into the newest step it knows.
    fn slide(&mut self, step: u64) {
        let length = self.counts.len();
        let by = usize::try_from(step.saturating_sub(self.newest)).unwrap_or(usize::MAX).min(length);
        self.counts.rotate_right(by % length);
        self.counts.iter_mut().take(by).for_each(|count| *count = 0);
        self.newest = self.newest.max(step);
    }

    /// How many steps ago the last of the `leaving` oldest tries was made: once it has left, there is room.
    fn room_age(&self, leaving: u32) -> u64 {
        let mut left = 0_u32;
        let room = self.counts.iter().enumerate().rev().find(|(_, count)| {
            left = left.saturating_add(**count);
            left >= leaving
        });
        room.map_or(0, |(age, _)| age as u64)
    }
}
