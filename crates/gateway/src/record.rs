//! The record of a call, from its head to the end of its answer. Whatever becomes of the call, exactly one
//! record leaves here: also when the caller goes away and everything is dropped.

use std::rc::Rc;

use http::{HeaderValue, request::Parts};
use portcullis_core::{
    clock::BootTime,
    ids::{AppId, OrganizationId},
    recorder::{CallRecord, Source},
    routes::InstanceRecord,
};

use crate::{Gateway, error::WireError, request_body::Progress};

/// What access logs write for a caller that did not wait for its answer; no caller ever sees it.
const CALLER_GONE: u16 = 499;

/// A record that is being written.
pub(crate) struct Recording {
    gateway: Rc<Gateway>,
    begun: BootTime,
    upload: Option<Rc<Progress>>,
    /// `None` once it has left.
    record: Option<CallRecord>,
}

/// When a call's head was read, and what it is called.
pub(crate) struct Beginning<'a> {
    pub(crate) at: portcullis_core::clock::Timestamp,
    pub(crate) begun: BootTime,
    pub(crate) call_id: u128,
    pub(crate) request_id: &'a HeaderValue,
}

impl Recording {
    pub(crate) fn begin(gateway: Rc<Gateway>, parts: &Parts, beginning: &Beginning<'_>) -> Self {
        let record = CallRecord {
            at: beginning.at,
            call_id: beginning.call_id,
            request_id: beginning.request_id.to_str().unwrap_or_default().into(),
            instance: None,
            app: None,
            subscription_id: None,
            buyer: None,
            method: parts.method.as_str().into(),
            path: parts.uri.path().into(),
            status: CALLER_GONE,
            code: None,
            reason: "client_closed",
            source: Source::Gateway,
            latency: std::time::Duration::ZERO,
            upstream_latency: None,
            request_bytes: 0,
            response_bytes: 0,
            is_test: false,
        };
        Self {
            gateway,
            begun: beginning.begun,
            upload: None,
            record: Some(record),
        }
    }

    fn note(&mut self, note: impl FnOnce(&mut CallRecord)) {
        if let Some(record) = &mut self.record {
            note(record);
        }
    }

    pub(crate) fn note_instance(&mut self, instance: &std::sync::Arc<InstanceRecord>) {
        self.note(|record| record.instance = Some(std::sync::Arc::clone(instance)));
    }

    pub(crate) fn note_app(&mut self, app: Option<AppId>) {
        self.note(|record| record.app = app);
    }

    pub(crate) fn note_subscription(&mut self, id: &str) {
        if id.len() <= portcullis_core::ids::ID_BYTES_MAX {
            self.note(|record| record.subscription_id = Some(id.into()));
        }
    }

    pub(crate) fn note_buyer(&mut self, buyer: Option<OrganizationId>) {
        self.note(|record| record.buyer = buyer);
    }

    pub(crate) fn note_test(&mut self) {
        self.note(|record| record.is_test = true);
    }

    /// The call's body is on its way.
    pub(crate) fn note_upload(&mut self, upload: Option<Rc<Progress>>) {
        self.upload = upload;
    }

    /// Whether the call's body was cut because it is too long.
    pub(crate) fn is_upload_too_large(&self) -> bool {
        self.upload
            .as_ref()
            .is_some_and(|upload| upload.is_too_large())
    }

    /// The head of the provider's answer has arrived.
    pub(crate) fn note_answer(&mut self, status: u16, waited: std::time::Duration) {
        self.note(|record| {
            record.status = status;
            record.source = Source::Api;
            record.upstream_latency = Some(waited);
        });
    }

    /// The gateway answers for itself, and not with an error.
    pub(crate) fn note_own_answer(&mut self, status: u16) {
        self.note(|record| record.status = status);
    }

    /// What the provider's answer has brought so far.
    pub(crate) fn note_response_bytes(&mut self, bytes: u64) {
        self.note(|record| record.response_bytes = bytes);
    }

    /// The answer came to its end.
    pub(crate) fn end(&mut self, now: BootTime) {
        self.leave("ok", now);
    }

    /// The call was refused before its answer began.
    pub(crate) fn refuse(&mut self, error: &WireError) {
        self.note(|record| {
            record.status = error.status.as_u16();
            record.source = Source::Gateway;
        });
        self.break_off(error);
    }

    /// The answer broke off after its head had gone out.
    pub(crate) fn break_off(&mut self, error: &WireError) {
        self.note(|record| record.code = Some(error.code.as_str()));
        let now = self.gateway.state.clock.boot_time();
        self.leave(error.reason, now);
    }

    fn leave(&mut self, reason: &'static str, now: BootTime) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.reason = reason;
        record.latency = now.since(self.begun);
        record.request_bytes = self.upload.as_ref().map_or(0, |upload| upload.bytes());
        self.gateway.state.recorder.call(record);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.record.is_some() {
            let now = self.gateway.state.clock.boot_time();
            self.leave("client_closed", now);
        }
    }
}
