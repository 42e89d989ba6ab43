/**
 * Which imported names belong to the libraries that models are made with. The answer helps a person to decide about approval; it
 * proves nothing, because these libraries are large.
 *
 * Classes count by their name. Functions count only if library files are known to call them: a function that a pickle calls gets
 * its arguments from the pickle, and `numpy.load` or `pandas.read_pickle` would open another file.
 */
import type { PickleName } from './values.ts';

/** Import name to the name of the package in a registry. */
export const libraryPackages: Readonly<Record<string, string>> = {
  numpy: 'numpy',
  scipy: 'scipy',
  sklearn: 'scikit-learn',
  pandas: 'pandas',
  xgboost: 'xgboost',
  lightgbm: 'lightgbm',
  catboost: 'catboost',
  joblib: 'joblib',
  torch: 'torch',
  skops: 'skops',
};

const builtins = new Set(
  'object set frozenset bytearray bytes complex slice range list dict tuple int float bool str'
    .split(' ')
    .map((name) => `builtins.${name}`),
);

/** Names of the standard library. */
const standardNames = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.deque',
  'collections.Counter',
  'copyreg._reconstructor',
  'copyreg.__newobj__',
  'copyreg.__newobj_ex__',
  '_codecs.encode',
]);

/** Modules of the libraries that read files, start programs, evaluate text, or fetch from elsewhere, with what is below them. */
const deniedModules = [
  'numpy.testing numpy.f2py numpy.ctypeslib numpy.lib.npyio numpy.lib._npyio_impl numpy.lib._datasource numpy.lib.format',
  'scipy.io scipy.datasets scipy._lib._ccallback',
  'sklearn.datasets sklearn.externals',
  'pandas.io pandas.core.computation pandas.testing',
  'xgboost.dask xgboost.spark xgboost.collective xgboost.tracker lightgbm.dask',
].flatMap((line) => line.split(' '));

/** Of libraries most of which a model has no use for, only these modules count. */
const allowedModules: Readonly<Record<string, RegExp>> = {
  joblib: /^joblib\.numpy_pickle$/,
  torch: /^torch\.(?:_[u]tils|_tensor|nn(?:\.modules\.\w+|\.parameter)?)$/,
};

const deniedNames = new Set([
  ...'load loadtxt genfromtxt fromfile fromregex save savez savez_compressed savetxt memmap DataSource'
    .split(' ')
    .map((name) => `numpy.${name}`),
  'pandas.HDFStore',
  'pandas.ExcelFile',
  'pandas.ExcelWriter',
]);

/** Functions, and classes with a small first letter, that library files call. */
const callable = [
  /^numpy\.(?:ndarray|dtype|matrix|recarray|bool_?|str_|bytes_|void|object_|datetime64|timedelta64|u?int(?:8|16|32|64|p|c)?_?|longlong|ulonglong|float(?:16|32|64|128)?_?|longdouble|complex(?:64|128|256)?_?)$/,
  /^numpy\.(?:_?core\.)?(?:_?multiarray|multiarray|numeric|numerictypes)?\.?(?:_reconstruct|scalar|_frombuffer|_ufunc_reconstruct)$/,
  /^numpy\._?core\._?internal\._ctypes$/,
  /^numpy\.(?:_?core\._?core|_core)\._ufunc_reconstruct$/,
  /^numpy\.ma\.core\._mareconstruct$/,
  /^numpy\.random\._pickle\.__(?:randomstate|generator|bit_generator)_ctor$/,
  /^numpy\.random\.(?:_\w+\.)?(?:mtrand\.)?__randomstate_ctor$/,
  /^(?:numpy|scipy|sklearn|pandas)\..*\.__pyx_unpickle_\w+$/,
  /^sklearn\..*\.newObj$/,
  /^scipy\.sparse\.(?:_?\w+\.)?(?:csr|csc|coo|bsr|dia|dok|lil)_(?:matrix|array)$/,
  /^scipy\.stats\.(?:_\w+\.)?\w+_(?:gen|frozen)$/,
  /^scipy\.interpolate\._interpolate\.interp1d$/,
  /^pandas\._libs\.internals\._unpickle_block$/,
  /^pandas\.core\.indexes\.base\._new_Index$/,
  /^torch\._[u]tils\._rebuild_(?:tensor(?:_v2)?|parameter)$/,
];

/** Whether the name belongs to the libraries, and does what their files are known to do. */
export function isKnownName({ module, name, isCalled }: Pick<PickleName, 'module' | 'name' | 'isCalled'>): boolean {
  const path = `${module}.${name}`;
  if (builtins.has(path) || standardNames.has(path)) return true;
  if (!/^[A-Za-z_]\w*$/.test(name) || !/^[\w.]+$/.test(module)) return false;
  const root = module.split('.')[0] as string;
  if (!Object.hasOwn(libraryPackages, root) || isDenied(root, module) || deniedNames.has(path)) return false;
  if (callable.some((pattern) => pattern.test(path))) return true;
  const isClass = /^_*[A-Z]/.test(name);
  if (isClass) return true;
  // A function that is only referred to, such as the one of a FunctionTransformer, runs at predictions.
  return !isCalled && root !== 'pandas' && root !== 'torch' && root !== 'joblib';
}

function isDenied(root: string, module: string): boolean {
  if (/\b(?:__main__|conftest|setup|_testing)$|\.dist[u]tils\b/.test(module)) return true;
  if (deniedModules.some((denied) => module === denied || module.startsWith(`${denied}.`))) return true;
  return Object.hasOwn(allowedModules, root) && allowedModules[root]?.test(module) !== true;
}
