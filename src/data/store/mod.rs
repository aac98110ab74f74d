//! Windows on disk: HDF5 that plain h5py reads, read back through a memory map.
