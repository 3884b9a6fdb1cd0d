//! What a mock answers: one function for each method, set by the test; not when it is called.

use std::sync::Arc;

use agent_api::ErrorCode;
use parking_lot::Mutex;

use crate::Error;

/// The place of one answer, a function behind a pointer.
#[derive(Debug)]
pub(super) struct Slot<F: ?Sized>(Mutex<Option<Arc<F>>>);

impl<F: ?Sized> Slot<F> {
    pub(super) fn set(&self, answer: Arc<F>) {
        *self.0.lock() = Some(answer);
    }

    /// The answer, free to be called without a lock, so that it may set another one.
    pub(super) fn get(&self, method: &'static str) -> Result<Arc<F>, Error> {
        let answer = self.0.lock().clone();
        answer.ok_or_else(|| Error::Api {
            operation: method,
            code: ErrorCode::Unsupported,
            message: format!("mock: {method} is not set"),
            detail: None,
            fields: Vec::new(),
        })
    }
}

impl<F: ?Sized> Default for Slot<F> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

/// Writes what is the same for each method: a slot, its setter, and a variant of `Call`; and for
/// those under `answered` the method itself: note the call, ask the slot. The block at the end is
/// the rest of `impl AgentConn`.
macro_rules! mock_agent {
    (
        answered {$(
            $method:ident, $on:ident,
            $call:ident $(( $($arg:ident: $type:ty),+ ))? -> $answer:ty;
        )*}
        by_hand {$(
            $own_method:ident, $own_on:ident,
            $own_call:ident ( $($own_arg:ident: $own_type:ty),+ ) -> $own_answer:ty;
        )*}
        $($rest:tt)*
    ) => {
        /// A call that a mock received: the method and its arguments.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Call {
            /// `set_extra_headers`.
            SetExtraHeaders(HeaderMap),
            /// A message that was sent on a [`GitWatch`] of `watch_git`.
            WatchGitMessage(GitClientMessage),
            /// A message that was sent on a [`TerminalStream`].
            TerminalMessage(TerminalClientMessage),
            $(#[doc = concat!("`", stringify!($method), "`.")] $call $(( $($type),+ ))?,)*
            $(
                #[doc = concat!("`", stringify!($own_method), "`.")]
                $own_call ( $($own_type),+ ),
            )*
        }

        #[derive(Default)]
        struct Answers {
            $($method: Slot<dyn Fn($($($type),+)?) -> Result<$answer, Error> + Send + Sync>,)*
            $($own_method:
                Slot<dyn Fn($($own_type),+) -> Result<$own_answer, Error> + Send + Sync>,)*
        }

        impl MockAgent {
            $(
                #[doc = concat!("Sets the answer of `", stringify!($method), "`.")]
                pub fn $on(
                    &self,
                    answer: impl Fn($($($type),+)?) -> Result<$answer, Error> + Send + Sync + 'static,
                ) -> &Self {
                    self.inner.answers.$method.set(Arc::new(answer));
                    self
                }
            )*
            $(
                #[doc = concat!("Sets the answer of `", stringify!($own_method), "`.")]
                pub fn $own_on(
                    &self,
                    answer: impl Fn($($own_type),+) -> Result<$own_answer, Error>
                    + Send + Sync + 'static,
                ) -> &Self {
                    self.inner.answers.$own_method.set(Arc::new(answer));
                    self
                }
            )*
        }

        #[async_trait]
        impl AgentConn for MockAgent {
            $(
                async fn $method(&self $(, $($arg: $type),+)?) -> Result<$answer, Error> {
                    self.note(Call::$call $(( $($arg.clone()),+ ))?)?;
                    self.inner.answers.$method.get(stringify!($method))?($($($arg),+)?)
                }
            )*
            $($rest)*
        }
    };
}

pub(super) use mock_agent;
