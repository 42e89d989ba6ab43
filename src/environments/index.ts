export { ArchivedEnvironments, type FetchedArchive } from './archived-environments.ts';
export { BuildFailed } from './build.ts';
export { findTool } from './build-tool.ts';
export type { EnvironmentLock, EnvironmentState } from './environment-rows.ts';
export {
  type EnvironmentView,
  environmentLogGroup,
  type NewEnvironment,
  type OperatorEnvironment,
  operatorKey,
  PythonEnvironments,
  type PythonEnvironmentsDeps,
  type ResolvedEnvironment,
  type WantedEnvironment,
} from './environments.ts';
export type { EnvironmentArchive } from './home-archives.ts';
export { findInterpreter, type Interpreter, inspectInterpreter, installedPackages } from './interpreter.ts';
export { Interpreters } from './interpreters.ts';
export { packagesOf } from './lock.ts';
export { buildEnvironments, startEnvironments } from './open-environments.ts';
export { LateInterpreters, pythonModels } from './python-models.ts';
export { recipes } from './recipes.ts';
export { type EnvironmentSettings, environmentSettings } from './settings.ts';
