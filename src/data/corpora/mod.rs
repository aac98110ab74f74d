//! Who is in a recording and what its marks mean.
