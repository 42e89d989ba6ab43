/** What a name may or may not mean. */
import { ServerError } from '../cli-error.ts';

/** Null if the server answers that there is none. */
export async function ifFound<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ServerError && error.code === 'not_found') return null;
    throw error;
  }
}
