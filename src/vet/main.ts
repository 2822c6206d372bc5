import {readFileSync, writeFileSync} from 'node:fs';
import {parseXattrs} from '../../cache/xattrs.ts';
import {type VetRequest, vetTree} from './vet-tree.ts';

/**
 * Vets a tree in a process of its own, the one that sees it mounted: `node main.js REQUEST XATTRS OUTPUT`, where REQUEST
 * is a `VetRequest` as JSON and XATTRS what cache/xattrs.pl printed.
 */
const [requestPath = '', xattrsPath = '', outputPath = ''] = process.argv.slice(2);
const request = JSON.parse(readFileSync(requestPath, 'utf8')) as Omit<VetRequest, 'xattrs'>;
const xattrs = parseXattrs(readFileSync(xattrsPath, 'latin1'));
writeFileSync(outputPath, `${JSON.stringify(vetTree({...request, xattrs}), undefined, 2)}\n`);
