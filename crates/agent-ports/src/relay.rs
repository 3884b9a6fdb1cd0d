//! Two byte streams joined: what comes from one goes to the other, each direction until its own end.
//!
//! ```text
//!             end of one direction: half-close      end of the other
//!  both ways ─────────────────────────────────▶ one way ──────────▶ over
//!      │                                            │
//!      └─ either side breaks ── both are reset ◀────┘
//! ```

use std::pin::pin;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{ByteReader, ByteStream};

/// What one direction holds at most; beyond it the sender waits.
const BUFFER_BYTES: usize = 64 * 1024;

/// One of the streams failed, whichever.
struct Broken;

/// Carries both directions until both have ended; a reset of one side resets the other.
pub(crate) async fn relay(mut near: impl ByteStream, mut far: impl ByteStream) {
    if both(&mut near, &mut far).await.is_err() {
        near.reset();
        far.reset();
    }
}

async fn both(near: &mut impl ByteStream, far: &mut impl ByteStream) -> Result<(), Broken> {
    let ((near_reader, near_writer), (far_reader, far_writer)) = (near.split(), far.split());
    let mut up = pin!(pump(near_reader, far_writer));
    let mut down = pin!(pump(far_reader, near_writer));
    // Nobody reads a side whose data has ended, so that its breaking must be looked for.
    tokio::select! {
        ended = &mut up => {
            let mut near = ended?;
            tokio::select! {
                ended = down => ended.map(drop),
                () = near.broken() => Err(Broken),
            }
        }
        ended = &mut down => {
            let mut far = ended?;
            tokio::select! {
                ended = up => ended.map(drop),
                () = far.broken() => Err(Broken),
            }
        }
    }
}

/// Carries one direction until the end of its data, which it passes on.
async fn pump<R: ByteReader>(
    mut reader: R,
    mut writer: impl AsyncWrite + Unpin,
) -> Result<R, Broken> {
    let mut buffer = BytesMut::new();
    loop {
        // The buffer is empty, so that this makes one at first and then takes the same again.
        buffer.reserve(BUFFER_BYTES);
        if reader.read_buf(&mut buffer).await.map_err(|_| Broken)? == 0 {
            break;
        }
        while buffer.has_remaining() {
            // While the writer is held back nothing is read, and a break would not show.
            tokio::select! {
                biased;
                written = writer.write_buf(&mut buffer) => match written {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Err(Broken),
                },
                () = reader.broken() => return Err(Broken),
            }
        }
        writer.flush().await.map_err(|_| Broken)?;
    }
    drop(buffer);
    writer.shutdown().await.map_err(|_| Broken)?;
    Ok(reader)
}
