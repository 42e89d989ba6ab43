/**
 * Training and processing jobs are one machinery: tables, tasks, capacity, limits. They differ in the folders that a script finds and in what is
 * made of its files. Their names do not exclude each other, so a processing job is stored under its name behind `processing.`. Pure.
 */

/** Which API a job belongs to. */
export type JobKind = 'training' | 'processing';

/** No training job has a point in its name. */
export const processingPrefix = 'processing.';

/** What a processing job is called in `Training`. */
export function processingJobId(name: string): string {
  return processingPrefix + name;
}

/** By the prefix of its id. */
export function jobKindOf(id: string): JobKind {
  return id.toLowerCase().startsWith(processingPrefix) ? 'processing' : 'training';
}

/** The name that callers gave. */
export function jobNameOf(id: string): string {
  return jobKindOf(id) === 'processing' ? id.slice(processingPrefix.length) : id;
}

/** Groups of log streams and namespaces of metrics have the same names, those of AWS. */
export const jobLogGroups = {
  training: '/aws/sagemaker/TrainingJobs',
  processing: '/aws/sagemaker/ProcessingJobs',
} as const satisfies Record<JobKind, string>;

/** The log group in which SageMaker's clients look for the output of such a job. */
export function jobLogGroup(id: string): string {
  return jobLogGroups[jobKindOf(id)];
}
