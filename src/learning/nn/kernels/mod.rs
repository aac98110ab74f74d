//! Plain-slice kernels, without candle.
