/** Writes deploy/kubernetes from the chart: `npm run render`. */
import { writeFileSync } from 'node:fs';
import { renderedFile, renderedPath } from './chart.ts';
import { kubectlPackage } from './kubectl-package.ts';

const tools = await kubectlPackage();
if (typeof tools === 'string') throw new Error(tools);
writeFileSync(renderedPath, await renderedFile(tools.helm));
