//! Another filter in place of the one that runs, between two frames.
//!
//! Programs with the new filter are loaded over the maps of those that run, and take their places one by one. Each frame
//! meets one of both: nothing is lost, nothing is counted twice, and no ring is touched.

use aya::Ebpf;
use tcpkit_common::record::Hook;

use super::{LINK_HEADER_LEN, LiveCapture, LiveError, ObjectFilter, embedded, logger::Logger, object, sys};
use crate::filter::place_nothing;

impl LiveCapture {
    /// Goes on with this filter; `None` wants every frame. When this returns, no frame meets the old one any more.
    ///
    /// Takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, as [`open`](Self::open) did.
    ///
    /// # Errors
    /// See [`LiveError`]; then the filter that ran goes on, on every interface.
    pub fn replace_filter(&mut self, filter: Option<ObjectFilter>, strict: bool) -> Result<(), LiveError> {
        let mut settings = self.settings;
        settings.filter = u32::from(filter.is_some());
        settings.filter_reach = filter.as_ref().map_or(0, |filter| filter.reach.max(LINK_HEADER_LEN));
        settings.strict_filter = u32::from(strict);
        let mut object = embedded()?.to_vec();
        match filter {
            Some(filter) => (filter.place)(&mut object).map_err(LiveError::Filter)?,
            None => object = place_nothing(&object).map_err(|error| LiveError::Filter(error.to_string()))?,
        }
        let mut next = object::load_beside(&object, settings, &self.ebpf)?;
        self.load_the_same(&mut next)
            .map_err(|error| if settings.filter != 0 { error.about_filter() } else { error })?;
        self.swap(next)?;
        self.settings = settings;
        self.options.strict_filter = strict;
        sys::grace_period();
        self.go_on_logging();
        Ok(())
    }

    /// Hands to the verifier what the programs that run were loaded for, also for interfaces that are waited for.
    fn load_the_same(&self, next: &mut Ebpf) -> Result<(), LiveError> {
        let kind = object::xdp_kind(&self.ebpf);
        for hook in [Hook::TcEgress, Hook::TcIngress, Hook::XdpIngress] {
            if object::program(&self.ebpf, hook).is_some() {
                object::load_program(next, hook, kind)?;
            }
        }
        Ok(())
    }

    /// The new programs log into a ring of their own.
    fn go_on_logging(&mut self) {
        let Some(logger) = &mut self.logger else { return };
        logger.flush();
        let mut notes = Vec::new();
        if let Some(new) = Logger::start(&mut self.ebpf, &mut notes) {
            *logger = new;
        }
        notes.iter().for_each(|note| tracing::warn!("{note}"));
    }

    /// Each hook from the old programs to the new ones; at a refusal back again.
    fn swap(&mut self, mut next: Ebpf) -> Result<(), LiveError> {
        let Self { attachments, interfaces, ebpf, .. } = self;
        for (count, attachment) in attachments.iter().enumerate() {
            let name = |interface: usize| interfaces[interface].name.as_str();
            let Err(refusal) = attachment.replace(&mut next, name(attachment.interface)) else { continue };
            for done in &attachments[..count] {
                if let Err(error) = done.replace(ebpf, name(done.interface)) {
                    // Its interface has just gone, and its programs with it.
                    tracing::warn!("the filter that ran cannot be put back: {error}");
                }
            }
            return Err(refusal);
        }
        self.ebpf = next;
        Ok(())
    }
}
