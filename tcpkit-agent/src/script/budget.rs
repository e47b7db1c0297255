//! How many Lua instructions a call of the script may take.
//!
//! Lua counts instructions and asks every [`STEP`] of them whether to go on. A call that has used up its budget is asked
//! after each single one, so that no `pcall` of the script can catch the refusal and go on for ever. A call inside of a
//! C function (`string.rep`, `string.find`) counts when it returns.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use mlua::{HookTriggers, Lua, VmState};

/// Instructions between two looks at the budget.
const STEP: u32 = 1_000;

/// The budget of the calls into one state.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    each: i64,
    left: Arc<AtomicI64>,
    /// Calls that used theirs up.
    exhausted: Arc<AtomicU64>,
}

impl Budget {
    /// So many instructions for each call.
    pub(super) fn new(each: u64) -> Self {
        let each = i64::try_from(each).unwrap_or(i64::MAX);
        Self { each, left: Arc::new(AtomicI64::new(each)), exhausted: Arc::default() }
    }

    /// A call begins, with the whole budget.
    ///
    /// # Errors
    /// Lua takes no hook.
    pub(super) fn begin(&self, lua: &Lua) -> mlua::Result<()> {
        // A call that was cut off left the hook at every instruction.
        if self.left.swap(self.each, Relaxed) <= 0 {
            self.watch(lua, STEP)?;
        }
        Ok(())
    }

    /// Whether the call that has just ended was cut off.
    pub(super) fn is_used_up(&self) -> bool {
        self.left.load(Relaxed) <= 0
    }

    /// Looks at the budget every so many instructions from now on.
    ///
    /// # Errors
    /// Lua takes no hook.
    pub(super) fn watch(&self, lua: &Lua, step: u32) -> mlua::Result<()> {
        let budget = self.clone();
        let triggers = HookTriggers::new().every_nth_instruction(step);
        lua.set_global_hook(triggers, move |lua, _| budget.look(lua, step))
    }

    /// The budget of a state that was just made.
    ///
    /// # Errors
    /// Lua takes no hook.
    pub(super) fn install(&self, lua: &Lua) -> mlua::Result<()> {
        self.watch(lua, STEP)
    }

    fn look(&self, lua: &Lua, step: u32) -> mlua::Result<VmState> {
        let step_len = i64::from(step);
        let before = self.left.fetch_sub(step_len, Relaxed);
        if before > step_len {
            return Ok(VmState::Continue);
        }
        if before > 0 {
            self.exhausted.fetch_add(1, Relaxed);
            self.watch(lua, 1)?;
        }
        Err(mlua::Error::runtime(format!("used up its {} Lua instructions", self.each)))
    }
}
