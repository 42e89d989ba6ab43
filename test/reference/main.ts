/** Writes the generated pages of docs/reference: `npm run reference`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePages } from './reference.ts';

const folder = join(import.meta.dirname, '../../docs/reference');
for (const [name, text] of Object.entries(await referencePages())) writeFileSync(join(folder, name), text);
