//! Where each parameter lies in a flat vector, how it starts, and what the optimiser may do to it.

use super::error::NnError;

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform in [-bound, bound).
    Uniform {
        /// The bound; 1/sqrt(fan_in) for convolutions and linear layers.
        bound: f64,
    },
    /// Every number the same.
    Constant(f64),
}

impl Init {
    /// PyTorch's default for convolution and linear weights and biases.
    pub fn fan_in(fan_in: usize) -> Self {
        Self::Uniform { bound: 1.0 / (fan_in as f64).sqrt() }
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct LayoutEntry {
    /// Its state_dict name.
    pub name: String,
    /// Its first number in the flat vector.
    pub offset: usize,
    /// Its shape; a scalar's is empty.
    pub shape: Vec<usize>,
    /// Whether weight decay acts on it: weights of convolutions and linear layers only.
    pub decay: bool,
    /// Whether it counts in the clipped norm.
    pub clipped: bool,
    /// How it starts.
    pub init: Init,
}

impl LayoutEntry {
    /// Numbers in it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its range of the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// One batch norm: its running statistics lie in `[offset, offset + channels)` of [`super::RunningStatistics`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormEntry {
    /// Its state_dict name, without `.running_mean`.
    pub name: String,
    /// Where its channels begin among all norms' channels.
    pub offset: usize,
    /// Channels.
    pub channels: usize,
}

/// The parameters of a group in order, and its norms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    entries: Vec<LayoutEntry>,
    norms: Vec<NormEntry>,
    len: usize,
    norm_channels: usize,
}

impl Layout {
    /// A layout without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a parameter; `decay` and `clipped` as in [`LayoutEntry`].
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize], init: Init, role: ParameterRole) {
        let entry = LayoutEntry {
            name: name.into(),
            offset: self.len,
            shape: shape.to_vec(),
            decay: role == ParameterRole::Weight,
            clipped: role != ParameterRole::Scalar,
            init,
        };
        self.len += entry.len();
        self.entries.push(entry);
    }

    /// Appends `NAME.weight` and `NAME.bias` of a convolution `[output, input, kernel]` or a linear layer
    /// `[output, input]`, with PyTorch's start.
    pub fn push_affine(&mut self, name: &str, shape: &[usize]) {
        let init = Init::fan_in(shape[1..].iter().product());
        self.push(format!("{name}.weight"), shape, init, ParameterRole::Weight);
        self.push(format!("{name}.bias"), &shape[..1], init, ParameterRole::Bias);
    }

    /// Appends a batch norm: weight 1, bias 0, and running statistics.
    pub fn push_norm(&mut self, name: &str, channels: usize) {
        self.push(format!("{name}.weight"), &[channels], Init::Constant(1.0), ParameterRole::Bias);
        self.push(format!("{name}.bias"), &[channels], Init::Constant(0.0), ParameterRole::Bias);
        self.norms.push(NormEntry { name: name.to_owned(), offset: self.norm_channels, channels });
        self.norm_channels += channels;
    }

    /// Appends all of `other`, its names after `prefix` (for instance `projector.`).
    pub fn append(&mut self, prefix: &str, other: &Self) {
        for entry in &other.entries {
            let name = format!("{prefix}{}", entry.name);
            self.entries.push(LayoutEntry { name, offset: self.len + entry.offset, ..entry.clone() });
        }
        for norm in &other.norms {
            let name = format!("{prefix}{}", norm.name);
            self.norms.push(NormEntry { name, offset: self.norm_channels + norm.offset, channels: norm.channels });
        }
        self.len += other.len;
        self.norm_channels += other.norm_channels;
    }

    /// The parameters in order.
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// The norms in order.
    pub fn norms(&self) -> &[NormEntry] {
        &self.norms
    }

    /// Numbers in the flat vector.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Channels of all norms together.
    pub fn norm_channels(&self) -> usize {
        self.norm_channels
    }

    /// The parameter called `name`.
    ///
    /// # Errors
    /// [`NnError::UnknownParameter`].
    pub fn find(&self, name: &str) -> Result<&LayoutEntry, NnError> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| NnError::UnknownParameter { name: name.to_owned() })
    }
}

/// What a parameter is to the optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterRole {
    /// A convolution's or linear layer's weight: decayed and clipped.
    Weight,
    /// A bias, or a norm's weight or bias: clipped only.
    Bias,
    /// A lone number such as a temperature: neither.
    Scalar,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_layout_keeps_its_order_behind_the_first() {
        let mut head = Layout::new();
        head.push_affine("0", &[3, 2]);
        head.push_norm("1", 3);
        let mut all = Layout::new();
        all.push("scale", &[], Init::Constant(1.5), ParameterRole::Scalar);
        all.append("projector.", &head);
        all.append("classifier.", &head);
        assert_eq!(all.len(), 1 + 2 * (6 + 3 + 3 + 3));
        let bias = all.find("classifier.0.bias").unwrap();
        assert_eq!((bias.range(), bias.decay, bias.clipped), (22..25, false, true));
        assert_eq!(all.norms()[1], NormEntry { name: "classifier.1".into(), offset: 3, channels: 3 });
        assert!(!all.find("scale").unwrap().clipped);
        assert!(matches!(all.find("nothing"), Err(NnError::UnknownParameter { .. })));
    }
}
