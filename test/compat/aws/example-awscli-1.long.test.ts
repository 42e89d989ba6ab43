import { testAwscliExample } from './example-life.ts';

testAwscliExample(1);
