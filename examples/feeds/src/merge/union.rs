//! Sets that can be joined (union by size, paths halved).
//! It knows numbers only.

/// A partition of `0..n` into sets.
#[derive(Debug, Default)]
pub(super) struct Union {
    parents: Vec<usize>,
    sizes: Vec<usize>,
}

impl Union {
    /// A new set of one; its number.
    pub(super) fn add(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.sizes.push(1);
        self.parents.len() - 1
    }

    /// The number that stands for the set of `item`.
    pub(super) fn root(&mut self, mut item: usize) -> usize {
        while self.parents[item] != item {
            self.parents[item] = self.parents[self.parents[item]];
            item = self.parents[item];
        }
        item
    }

    /// Makes one set of the sets of `left` and `right`.
    pub(super) fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        if left == right {
            return;
        }
        let (small, large) = if self.sizes[left] < self.sizes[right] { (left, right) } else { (right, left) };
        self.parents[small] = large;
        self.sizes[large] += self.sizes[small];
    }
}
