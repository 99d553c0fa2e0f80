include { entries; is_model_of; paths } from './params'
include { now } from './results'

// What is wrong with the parameters together, though with none of them by itself: a sentence each.
def conflicts(parameters) {
    def is_demo = parameters.demo.toString() == 'true'
    def rules = run_rules(parameters, is_demo) +
        detection_rules(parameters, is_demo) +
        review_rules(parameters, is_demo) +
        identification_rules(parameters) +
        wingbeat_rules(parameters) +
        model_rules(parameters)
    return rules.findAll { rule -> rule[0] }.collect { rule -> rule[1].toString() }
}

// A rule: [whether it is broken, the sentence that says so].
def run_rules(parameters, is_demo) {
    def weights = (parameters.weights ?: 'pretrained').toString()
    def is_weights_file = !(weights in ['pretrained', 'none'])
    def starts = ['boxes', 'predict', 'specimens', 'gallery', 'recordings']
    def data = starts + ['labelled_images', 'test_boxes', 'audit_boxes', 'unlabelled'] - ['predict']
    return [
        [!is_demo && !starts.any { name -> parameters[name] },
            'nothing to do: give --boxes, or --specimens, or --recordings, ' +
            'or --model with --predict, or -profile demo; --help lists all'],
        [is_demo && data.any { name -> parameters[name] },
            '-profile demo draws its own data: leave it out, or what names yours'],
        [is_weights_file && !file(weights).exists(),
            "--weights names ${weights}, which does not exist; wanted pretrained, none or a file"],
        [is_weights_file && parameters.boxes && parameters.specimens,
            '--weights FILE is for one network, but both --boxes and --specimens are given: ' +
            'run them one after the other'],
    ]
}

def detection_rules(parameters, is_demo) {
    def architecture = parameters.architecture.toString()
    def is_torchvision = parameters.detector.toString() == 'torchvision'
    return [
        [parameters.labelled_images && !parameters.target,
            '--labelled_images needs --target: which of its labels is to be found?'],
        [parameters.target && !parameters.labelled_images && !is_demo,
            '--target needs --labelled_images: photos that carry this label'],
        [parameters.labelled_images && !parameters.boxes,
            '--labelled_images needs --boxes: the insect detector learns from them'],
        [parameters.audit_boxes && !parameters.labelled_images,
            '--audit_boxes needs --labelled_images: they are true boxes of those photos'],
        [parameters.test_boxes && !parameters.boxes,
            '--test_boxes needs --boxes: a detector to test'],
        [architecture.startsWith('fcos') && !is_torchvision,
            "--architecture ${architecture} needs --detector torchvision"],
        [architecture.startsWith('yolo') && is_torchvision,
            "--architecture ${architecture} needs --detector yolo"],
    ]
}

def review_rules(parameters, is_demo) {
    def reviewed = parameters.reviewed
    def overwritten = reviewed ? review_folder(parameters) : null
    return [
        [reviewed && !parameters.labelled_images && !parameters.unlabelled && !is_demo,
            '--reviewed needs --labelled_images, whose boxes it corrects, ' +
            'or --unlabelled, whose clusters it names'],
        [reviewed && parameters.labelled_images && parameters.unlabelled,
            '--reviewed could be of --labelled_images or of --unlabelled: ' +
            'run the two chains one after the other'],
        [overwritten,
            "--reviewed lies in ${overwritten}, which this run writes anew; " +
            'copy it elsewhere and give the copy'],
    ]
}

// The folder of the results that the reviewed files lie in, or null: the run would overwrite them.
def review_folder(parameters) {
    def outdir = file(parameters.outdir.toString())
    def folders = ['detection/weak_boxes/review', 'identification/sheet'].collect { name ->
        outdir.resolve(name).toAbsolutePath().normalize()
    }
    def files = paths(parameters.reviewed).collect { path -> path.toAbsolutePath().normalize() }
    return folders.find { folder -> files.any { path -> path.startsWith(folder) } }
}

def identification_rules(parameters) {
    def gallery = parameters.gallery
    def detector = parameters.detector_model
    def has_names = parameters.specimens || gallery
    return [
        [parameters.unlabelled && !has_names,
            '--unlabelled needs --specimens, or --gallery: names to give'],
        [gallery && !parameters.specimens && !parameters.unlabelled,
            '--gallery needs --specimens to enrol, or --unlabelled images to identify'],
        [gallery && !has_file(gallery, 'gallery.json'),
            "--gallery names ${gallery}, which holds no gallery.json; " +
            'wanted a gallery folder that entoflow wrote'],
        [detector && !has_names,
            '--detector_model needs --specimens: images to crop'],
        [detector && gallery,
            '--detector_model does not go with --gallery, which crops as its specimens ' +
            'were cropped, by the detector in it, if any: leave it out'],
        [detector && !is_model_of('detector', detector),
            "--detector_model names ${detector}, which holds no model.json of a detector; " +
            'wanted a model folder such as results/detection/insect_detector'],
    ]
}

def wingbeat_rules(parameters) {
    // The schema's default names every family.
    def known = entries().find { entry -> entry.name == 'families' }['default'].tokenize(',')
    def unknown = (parameters.families ?: '').toString().tokenize(',') - known
    return [
        [unknown,
            "--families names ${unknown.join(', ')}; wanted some of ${known.join(',')}"],
    ]
}

def model_rules(parameters) {
    def model = parameters.model
    return [
        [parameters.predict && !model,
            '--predict needs --model: the folder of the detector to run'],
        [model && !parameters.predict,
            '--model needs --predict: the images to run it on'],
        [model && !has_file(model, 'model.json'),
            "--model names ${model}, which holds no model.json; " +
            'wanted a model folder that entoflow wrote'],
    ]
}

def has_file(folder, name) {
    return file(folder.toString()).resolve(name).exists()
}

// A list of one sentence, or of none. Tried, as neither permissions nor room can be read off a
// folder.
def unwritable(folder) {
    if( folder == true ) // --outdir without its value is a complaint already
        return []
    def outdir = file(folder.toString())
    try {
        now(outdir)
        return []
    }
    catch( Exception _problem ) {
        return ["--outdir ${outdir} cannot be written to; wanted a folder with room and permission"]
    }
}
