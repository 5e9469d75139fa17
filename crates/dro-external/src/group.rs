//! A child with a process group of its own: what it starts ends with it.

use std::{
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

/// Asks [`Group::start`]'s child to end, or makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    Ask,
    Kill,
}

/// A child process and all it starts.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
}

impl Group {
    /// Starts the command as the leader of a new group, so that Ctrl-C in a terminal does not reach it.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        Ok(Self { child: command.spawn()? })
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether the child has ended. It is not reaped, so its number stays its own.
    #[cfg(unix)]
    pub fn has_ended(&mut self) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), options), Ok(None))
    }

    #[cfg(not(unix))]
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    #[cfg(unix)]
    fn signal(&mut self, force: Force) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if force == Force::Ask { Signal::TERM } else { Signal::KILL };
        // Fails only where nobody is left.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    #[cfg(not(unix))]
    fn signal(&mut self, force: Force) {
        if force == Force::Kill {
            let _ = self.child.kill();
        }
    }

    /// Waits up to `patience`; whether the child has ended.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !self.has_ended() {
            if began.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        true
    }

    /// Asks the whole group to end if it has not, and kills what is left of it after `patience`. The child's status.
    pub fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        if !self.has_ended() {
            self.signal(Force::Ask);
            self.ends_within(patience);
        }
        // The child is not reaped yet, so no other group can have its number.
        self.signal(Force::Kill);
        self.child.wait().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
