import {parentPort, workerData} from 'node:worker_threads';
import {type SummarizeOptions, summarizeTree} from './tree.ts';

const {tree, ...options} = workerData as SummarizeOptions & {readonly tree: string};
parentPort?.postMessage(summarizeTree(tree, options));
