// An S3 service on loopback with one bucket, for the tests: node server.mjs FOLDER_WITH_S3RVER DATA PORT
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, data, port] = process.argv.slice(2);
const S3rver = createRequire(join(resolve(folder), "node_modules", "x.js"))("s3rver");
const server = new S3rver({ port: Number(port), address: "127.0.0.1", silent: true, directory: data, configureBuckets: [{ name: "answers" }] });
await server.run();
console.log("listening");
