//! The special tokens around texts, as BERT has them: `[CLS] text [SEP]`, and `[CLS] text [SEP] other text [SEP]`.

use super::tokenizer::Tokenizer;

/// Which special tokens stand around a text; either may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frame {
    /// Before the text.
    pub begin: Option<u32>,
    /// After the text, and after a second one.
    pub end: Option<u32>,
}

/// The tokens of an input, and to which of two texts each belongs. Both have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Framed {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// 0 for the first text with what stands around it, 1 for the second and its end (BERT's `token_type_ids`).
    pub segments: Vec<u8>,
}

impl Frame {
    /// The frame of a tokenizer's own special tokens for the beginning and the end of texts, as far as it has them.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let special = tokenizer.special();
        Self { begin: special.begin, end: special.end }
    }

    /// What stands between the special tokens of one framed text.
    ///
    /// # Panics
    /// If `framed` has no room for these: that is an error of the calling code.
    pub fn content<'a, T>(&self, framed: &'a [T]) -> &'a [T] {
        &framed[usize::from(self.begin.is_some())..framed.len() - usize::from(self.end.is_some())]
    }

    /// Tokens around one text: from 0 to 2.
    pub fn around_one(&self) -> usize {
        usize::from(self.begin.is_some()) + usize::from(self.end.is_some())
    }

    /// Tokens around two texts: from 0 to 3.
    pub fn around_two(&self) -> usize {
        usize::from(self.begin.is_some()) + 2 * usize::from(self.end.is_some())
    }

    /// One text in its frame, of which it loses the end where both have more than `max_len` tokens together.
    pub fn one(&self, mut text: Vec<u32>, max_len: usize) -> Framed {
        text.truncate(max_len.saturating_sub(self.around_one()));
        let tokens: Vec<u32> = self.begin.into_iter().chain(text).chain(self.end).collect();
        Framed { segments: vec![0; tokens.len()], tokens }
    }

    /// Two texts in their frame. Where all have more than `max_len` tokens, the longer text loses its end first, as in BERT's own
    /// preparation: token by token whichever is longer then, and the second where they are equal.
    pub fn two(&self, mut first: Vec<u32>, mut second: Vec<u32>, max_len: usize) -> Framed {
        let room = max_len.saturating_sub(self.around_two());
        let (left, right) = shares(first.len(), second.len(), room);
        first.truncate(left);
        second.truncate(right);
        let mut tokens: Vec<u32> = self.begin.into_iter().chain(first).chain(self.end).collect();
        let mut segments = vec![0; tokens.len()];
        tokens.extend(second.into_iter().chain(self.end));
        segments.resize(tokens.len(), 1);
        Framed { tokens, segments }
    }
}

/// How much of `room` two texts of these lengths get.
fn shares(first: usize, second: usize, room: usize) -> (usize, usize) {
    if first + second <= room {
        return (first, second);
    }
    let (more, less) = (room.div_ceil(2), room / 2);
    if second <= less {
        (room - second, second)
    } else if first <= more {
        (first, room - first)
    } else {
        (more, less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERT: Frame = Frame { begin: Some(2), end: Some(3) };

    #[test]
    fn one_text_is_cut_at_its_end() {
        let framed = BERT.one(vec![7, 8, 9], 4);
        assert_eq!(framed, Framed { tokens: vec![2, 7, 8, 3], segments: vec![0; 4] });
        assert_eq!(BERT.one(vec![7], 10).tokens, [2, 7, 3]);
        assert_eq!((BERT.content(&[2, 7, 3]), Frame::default().content(&[2, 7, 3])), (&[7][..], &[2, 7, 3][..]));
        assert_eq!(Frame::default().one(vec![7, 8, 9], 2).tokens, [7, 8]);
        assert_eq!(Frame { begin: None, end: Some(3) }.one(vec![7, 8], 2).tokens, [7, 3]);
    }

    #[test]
    fn two_texts_have_segments() {
        let framed = BERT.two(vec![7, 8], vec![9], 10);
        assert_eq!(framed, Framed { tokens: vec![2, 7, 8, 3, 9, 3], segments: vec![0, 0, 0, 0, 1, 1] });
    }

    /// By the definition: token by token from the longer.
    #[test]
    fn the_longer_text_is_cut_first() {
        for first in 0..12 {
            for second in 0..12 {
                for room in 0..26 {
                    let (mut left, mut right) = (first, second);
                    while left + right > room {
                        if left > right { left -= 1 } else { right -= 1 }
                    }
                    assert_eq!(shares(first, second, room), (left, right), "{first} and {second} in {room}");
                }
            }
        }
    }
}
