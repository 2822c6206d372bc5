import {createRequire} from 'node:module';

/**
 * better-sqlite3, loaded as the CommonJS module that it is: Node reads the whole text of one that is imported to find out
 * its names, and a build with nothing to do has to be over by then.
 */
export const Database = createRequire(import.meta.url)('better-sqlite3') as typeof import('better-sqlite3');
