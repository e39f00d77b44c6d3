"""What parameters of constructors and functions mean, by their names."""

from __future__ import annotations

# Names without underscores in lower case, by meaning; of two meanings with one name, all are tried.
NAMES: dict[str, frozenset[str]] = {
    meaning: frozenset(names.split())
    for meaning, names in {
        "channels": "inchannels inputchannels channels inch inc nchannels inputdepth indepth nin numchannels cin ic"
        " channelin inplanes numinputchannels depthin numinchannels inchannel inputchannel channelsin nchannelsin"
        " inputdim infeatures inputfeatures ninput nc inshape inputshape ichannels channel indim",
        "filters": "outchannels outputchannels numfilters nfilters filters numkernels nkernels outch outc numkernel"
        " nbfilters numberfilters numberoffilters nbfilter numfilter nfilter depth outputdepth outdepth outshape nout"
        " numoutputchannels nofilters filternum filtercount kernelcount numoffilters n f k cout oc outplanes outchannel"
        " outputchannel channelsout outputdim outfeatures units kernels kernelnum outdim kernelsnum filtersnum amount",
        "kernel": "kernelsize filtersize size kernelshape filtershape f k ksize kerneldim kernel dim filterdim"
        " kerneldims filterdims shape fsize convolutionshape poolsize pool poolshape poolingsize poolingshape window"
        " windowsize windowshape filtersizes kernelsizes fshape kshape shapek sizek kernelwidth filterwidth filter"
        " poolsz poolkernelsize kernelsz pooldim pooldims poolwidth blocksize spatialextent dims",
        "kernel_h": "poolh poolheight kernelh kernelheight kh filterh filterheight ph fh fieldheight hh height",
        "kernel_w": "poolw poolwidth kernelw kernelwidth kw filterw filterwidth pw fw fieldwidth ww width",
        "stride": "stride strides s strideshape stridesize step steps stepsize stridedims subsample",
        "padding": "padding pad p zeropadding padsize pads paddings padwidth paddingsize zeropad npad",
        "image": "inputshape shapein inshape inputdim inputdims imageshape inputsize imagesize insize inputsizes dims"
        " imgshape imgsize xshape sizein previousshape",
        "rate": "lr learningrate learnrate eta alpha rate stepsize",
        "optimizer": "optimizer opt optim",
        "activation": "activation activationfunction activationfn act activationfunc actfn activ nonlinearity",
        "x": "x input inputs image images img imgs data a inputdata aprev inarray inputimage inputimages inputtensor"
        " inputmatrix xin inp imgarray inputarray batch z zprev activation matrix featuremap featuremaps inputvolume"
        " fmap xpad tensor inputx picture imagearray map inputbatch prev ain convin"
        " orig original poolin",
        "weight": "w weight weights kernel kernels filter filters k filt f fil convfilter wconv convkernel"
        " filterweights mask kern ker h filts weightmatrix kernelarray filterbank curfilter conv1 params",
        "bias": "b bias biases b0 bconv w0 offset",
        "dy": "dy dout dz da dl dconvprev dpool dnext dprev dh grad gradoutput gradout outgrad outputgradient"
        " gradient upstream upstreamgradient delta error err dldout dldz dconv doutput dlout dvalues"
        " accumgrad topdiff sensitivity",
        "cache": "cache caches memory saved ctx",
        "sizes": "hparameters hparams convparam poolparam hyperparam hyperparams hyperparameters params param hparam"
        " convparams poolparams hyperparameter",
        "mode": "mode pooltype pooling poolmode method type operation pooloption",
    }.items()
}


def meanings(name: str, among: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a parameter of this name can mean, of some meanings.

    Parameters
    ----------
    name : str
        In any spelling: `in_channels`, `inChannels` and `InChannels` are one.
    among : tuple of str
        Keys of `NAMES`.

    Examples
    --------
    >>> meanings("kernel_size", ("channels", "kernel"))
    ('kernel',)
    """
    plain = name.lower().replace("_", "")
    return tuple(meaning for meaning in among if plain in NAMES[meaning])
