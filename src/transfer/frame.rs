//! Framing: bytes cut into short frames, and a last frame that tells their number and hash, so that whoever reads can
//! tell "all of it" from "cut off" and from "altered". Pure: bytes in, bytes out.
//!
//! ```text
//! data     len (u32 LE, 1 ..= 256 KiB)  bytes
//! trouble  0xFFFF_FFFF  len (u32 LE, ≤ 64 KiB)  Trouble as JSON      the reader learns why the sender stopped
//! end      0x0000_0000  total (u64 LE)  BLAKE3 of all data (32 bytes)
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::domain::{Digest, Trouble, TroubleKind};

/// The longest data frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 256 << 10;
/// The longest trouble frame, in bytes.
const MAX_TROUBLE_BYTES: usize = 64 << 10;
const END: u32 = 0;
const TROUBLE: u32 = u32::MAX;

/// What the last frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Bytes in all data frames.
    pub bytes: u64,
    /// Their BLAKE3.
    pub digest: Digest,
}

/// Frames bytes and hashes them on the way.
#[derive(Default)]
pub struct Encoder {
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Encoder {
    /// The frames of some bytes, headers and payloads in turn; payloads are not copied.
    pub fn data(&mut self, mut bytes: Bytes) -> Vec<Bytes> {
        let mut frames = Vec::with_capacity(2 * bytes.len().div_ceil(MAX_FRAME_BYTES));
        while !bytes.is_empty() {
            let payload = bytes.split_to(bytes.len().min(MAX_FRAME_BYTES));
            self.hasher.update(&payload);
            self.bytes += payload.len() as u64;
            frames.push(Bytes::copy_from_slice(&(payload.len() as u32).to_le_bytes()));
            frames.push(payload);
        }
        frames
    }

    /// The last frame, and what it says.
    pub fn end(self) -> (Bytes, Seal) {
        let seal = Seal { bytes: self.bytes, digest: Digest(*self.hasher.finalize().as_bytes()) };
        let mut frame = BytesMut::with_capacity(44);
        frame.put_u32_le(END);
        frame.put_u64_le(seal.bytes);
        frame.put_slice(&seal.digest.0);
        (frame.freeze(), seal)
    }
}

/// The frame that tells why there will be no end. Words too long for a frame are cut.
pub fn trouble_frame(trouble: &Trouble) -> Bytes {
    let mut short = trouble.clone();
    for text in [&mut short.object, &mut short.reason, &mut short.next_step] {
        *text = text.chars().take(4_000).collect();
    }
    let json = serde_json::to_vec(&short).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(8 + json.len());
    frame.put_u32_le(TROUBLE);
    frame.put_u32_le(json.len() as u32);
    frame.put_slice(&json);
    frame.freeze()
}

/// Why framed bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The connection ended before the last frame.
    #[error("cut off after {0} bytes")]
    CutOff(u64),
    /// More bytes than were declared.
    #[error("longer than the {0} bytes declared")]
    TooLong(u64),
    /// The last frame tells another number of bytes than came, or than was declared.
    #[error("{got} bytes came, {told} were told")]
    WrongLength {
        /// As they came.
        got: u64,
        /// As told.
        told: u64,
    },
    /// The bytes are not those that were sent.
    #[error("bytes were altered on the way: their hash is {got}, the sender's {told}")]
    Altered {
        /// As they came.
        got: Digest,
        /// As sent.
        told: Digest,
    },
    /// A header no sender writes, or something after the last frame.
    #[error("not the framing of this protocol")]
    Malformed,
    /// The sender stopped and says why.
    #[error("the sender stopped: {0}")]
    Stopped(Trouble),
}

impl FrameError {
    /// The same as a trouble with `object`.
    pub fn trouble(self, object: impl std::fmt::Display) -> Trouble {
        match self {
            FrameError::Stopped(trouble) => trouble,
            FrameError::CutOff(_) => Trouble::new(TroubleKind::Unreachable, object, self).next("it is sent again by itself"),
            FrameError::TooLong(_) | FrameError::WrongLength { .. } | FrameError::Altered { .. } | FrameError::Malformed => {
                Trouble::new(TroubleKind::Corrupt, object, self)
                    .next("nothing of it was kept; run again, and look into the network between the agents")
            }
        }
    }
}

enum Expect {
    Header,
    Data(usize),
    TroubleLength,
    Trouble(usize),
    End,
    Nothing,
}

/// Takes framed bytes as they come, in whatever portions, and gives the data back without copying.
pub struct Decoder {
    pending: BytesMut,
    expect: Expect,
    hasher: blake3::Hasher,
    got: u64,
    declared: u64,
    seal: Option<Seal>,
}

impl Decoder {
    /// A decoder that refuses anything but `declared` bytes.
    pub fn new(declared: u64) -> Decoder {
        Decoder { pending: BytesMut::new(), expect: Expect::Header, hasher: blake3::Hasher::new(), got: 0, declared, seal: None }
    }

    /// Takes a portion; gives the data in it.
    pub fn feed(&mut self, portion: &[u8]) -> Result<Vec<Bytes>, FrameError> {
        self.pending.extend_from_slice(portion);
        let mut data = Vec::new();
        while self.step(&mut data)? {}
        Ok(data)
    }

    /// After the last portion: what the last frame said.
    pub fn end(self) -> Result<Seal, FrameError> {
        self.seal.ok_or(FrameError::CutOff(self.got))
    }

    /// Takes one thing from what is pending; false when more must come first.
    fn step(&mut self, data: &mut Vec<Bytes>) -> Result<bool, FrameError> {
        let pending = self.pending.len();
        match self.expect {
            Expect::Header if pending >= 4 => {
                self.expect = match self.pending.get_u32_le() {
                    END => Expect::End,
                    TROUBLE => Expect::TroubleLength,
                    len if len as usize <= MAX_FRAME_BYTES => Expect::Data(len as usize),
                    _ => return Err(FrameError::Malformed),
                };
            }
            Expect::Data(left) if pending > 0 => {
                let bytes = self.pending.split_to(left.min(pending)).freeze();
                self.got += bytes.len() as u64;
                if self.got > self.declared {
                    return Err(FrameError::TooLong(self.declared));
                }
                self.hasher.update(&bytes);
                self.expect = if bytes.len() == left { Expect::Header } else { Expect::Data(left - bytes.len()) };
                data.push(bytes);
            }
            Expect::TroubleLength if pending >= 4 => {
                let len = self.pending.get_u32_le() as usize;
                if len > MAX_TROUBLE_BYTES {
                    return Err(FrameError::Malformed);
                }
                self.expect = Expect::Trouble(len);
            }
            Expect::Trouble(len) if pending >= len => {
                return Err(serde_json::from_slice(&self.pending[..len]).map_or(FrameError::Malformed, FrameError::Stopped));
            }
            Expect::End if pending >= 40 => {
                self.check_end()?;
                self.expect = Expect::Nothing;
            }
            Expect::Nothing if pending > 0 => return Err(FrameError::Malformed),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check_end(&mut self) -> Result<(), FrameError> {
        let told = self.pending.get_u64_le();
        let mut digest = [0; 32];
        self.pending.copy_to_slice(&mut digest);
        let (told_digest, got_digest) = (Digest(digest), Digest(*self.hasher.finalize().as_bytes()));
        if told != self.got || told != self.declared {
            return Err(FrameError::WrongLength { got: self.got, told: if told == self.got { self.declared } else { told } });
        }
        if told_digest != got_digest {
            return Err(FrameError::Altered { got: got_digest, told: told_digest });
        }
        self.seal = Some(Seal { bytes: told, digest: told_digest });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(content: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut out: Vec<u8> = encoder.data(Bytes::copy_from_slice(content)).concat();
        out.extend_from_slice(&encoder.end().0);
        out
    }

    fn decode(framed: &[u8], declared: u64, portion: usize) -> Result<(Vec<u8>, Seal), FrameError> {
        let mut decoder = Decoder::new(declared);
        let mut data = Vec::new();
        for part in framed.chunks(portion) {
            data.extend(decoder.feed(part)?.concat());
        }
        Ok((data, decoder.end()?))
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_back_however_it_is_cut(length in 0usize..600_000, portion in 100usize..70_000) {
            let content: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
            let (data, seal) = decode(&encode(&content), content.len() as u64, portion).expect("good framing");
            prop_assert_eq!(seal.digest, Digest::of_bytes(&content));
            prop_assert_eq!(data, content);
        }

        #[test]
        fn a_cut_is_always_told(content in prop::collection::vec(any::<u8>(), 0..5_000), at in any::<prop::sample::Index>()) {
            let framed = encode(&content);
            let cut = &framed[..at.index(framed.len())];
            prop_assert!(matches!(decode(cut, content.len() as u64, 100), Err(FrameError::CutOff(_))));
        }

        #[test]
        fn a_flipped_bit_is_always_told(content in prop::collection::vec(any::<u8>(), 0..5_000), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut framed = encode(&content);
            let at = at.index(framed.len());
            framed[at] ^= 1 << bit;
            prop_assert!(decode(&framed, content.len() as u64, 100).is_err());
        }

        #[test]
        fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..3_000), portion in 1usize..100) {
            prop_assert!(decode(&bytes, 10, portion).is_err());
        }
    }

    #[test]
    fn more_than_declared_is_refused_before_it_is_kept() {
        assert_eq!(decode(&encode(&[7; 11]), 10, 64), Err(FrameError::TooLong(10)));
        assert_eq!(decode(&encode(&[7; 9]), 10, 64), Err(FrameError::WrongLength { got: 9, told: 10 }));
    }

    #[test]
    fn the_sender_can_say_why_it_stopped() {
        let trouble = Trouble::new(TroubleKind::NotFound, "files:invoices", "the capture is gone");
        let mut encoder = Encoder::default();
        let mut framed: Vec<u8> = encoder.data(Bytes::from_static(b"half")).concat();
        framed.extend_from_slice(&trouble_frame(&trouble));
        assert_eq!(decode(&framed, 10, 3), Err(FrameError::Stopped(trouble)));
    }
}
