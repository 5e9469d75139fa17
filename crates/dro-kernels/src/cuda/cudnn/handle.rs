//! What cuDNN needs once: a handle per thread and device, and the algorithm of each shape that was seen.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use candle_core::{
    CudaDevice, DType, Result, WithDType,
    cuda_backend::{
        DeviceId,
        cudarc::cudnn::{
            ConvDescriptor, Cudnn, CudnnDataType, FilterDescriptor, TensorDescriptor,
            sys::{self, cudnnMathType_t as Math, cudnnTensorFormat_t::CUDNN_TENSOR_NCHW},
        },
        gemm_reduced_precision_f32,
    },
};

use crate::conv::ConvShape;

/// An algorithm and the bytes of memory that it works in.
pub(super) type Plan<A> = (A, usize);

/// A shape, whether factors may be rounded to TF32, and the type of the numbers.
pub(super) type Key = (ConvShape, bool, DType);

/// cuDNN on one device, for one thread: handles must not be shared between threads.
pub(super) struct Handle {
    pub cudnn: Arc<Cudnn>,
    pub forward: RefCell<HashMap<Key, Plan<sys::cudnnConvolutionFwdAlgo_t>>>,
    pub backward_data: RefCell<HashMap<Key, Plan<sys::cudnnConvolutionBwdDataAlgo_t>>>,
    pub backward_filter: RefCell<HashMap<Key, Plan<sys::cudnnConvolutionBwdFilterAlgo_t>>>,
}

thread_local! {
    static HANDLES: RefCell<HashMap<DeviceId, Rc<Handle>>> = RefCell::default();
}

impl Handle {
    /// This thread's handle for `device`.
    pub fn of(device: &CudaDevice) -> Result<Rc<Self>> {
        let known = HANDLES.with_borrow(|handles| handles.get(&device.id()).cloned());
        if let Some(handle) = known {
            return Ok(handle);
        }
        let handle = Rc::new(Self {
            cudnn: Cudnn::new(device.cuda_stream())?,
            forward: RefCell::default(),
            backward_data: RefCell::default(),
            backward_filter: RefCell::default(),
        });
        HANDLES.with_borrow_mut(|handles| handles.insert(device.id(), handle.clone()));
        Ok(handle)
    }
}

/// A convolution as cuDNN is told of it.
pub(super) struct Descriptors<T> {
    /// Sums are in f32 whatever the type of the numbers.
    pub conv: ConvDescriptor<f32>,
    pub x: TensorDescriptor<T>,
    pub weight: FilterDescriptor<T>,
    pub y: TensorDescriptor<T>,
}

impl<T: CudnnDataType> Descriptors<T> {
    /// Of `shape`; all tensors contiguous. The caller has checked that sizes fit an i32.
    pub fn new(cudnn: &Arc<Cudnn>, (s, rounded, _): &Key) -> Result<Self> {
        let ints = |values: [usize; 4]| values.map(|value| value as i32);
        let both = |a: usize, b: usize| [a as i32, b as i32];
        let (stride, mode) = (s.geometry.stride, sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION);
        let padding = both(s.geometry.pad_y, s.geometry.pad_x);
        let mut conv = cudnn.create_conv2d::<f32>(padding, both(stride, stride), [1, 1], mode)?;
        conv.set_math_type(if *rounded { Math::CUDNN_DEFAULT_MATH } else { Math::CUDNN_FMA_MATH })?;
        let x = ints([s.batch, s.inputs, s.height, s.width]);
        let weight = ints([s.outputs, s.inputs, s.kernel.0, s.kernel.1]);
        let y = ints([s.batch, s.outputs, s.out_height, s.out_width]);
        Ok(Self {
            conv,
            x: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, x)?,
            weight: cudnn.create_4d_filter(CUDNN_TENSOR_NCHW, weight)?,
            y: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, y)?,
        })
    }
}

/// The key of a shape at this moment: convolutions and matrix products round alike.
pub(super) fn key<T: WithDType>(shape: ConvShape) -> Key {
    (shape, gemm_reduced_precision_f32(), T::DTYPE)
}
