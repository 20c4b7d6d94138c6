// Notes each event in $FILE, one a line; fails for the body "fail", runs long for "sleep" and for
// ever for "hang".

const fs = require("node:fs");

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

exports.handle = async (event) => {
  fs.appendFileSync(process.env.FILE, `${JSON.stringify({ at: Date.now() / 1_000, event })}\n`);
  const { body } = event.Records[0];
  if (body === "fail") throw new Error("as asked");
  if (body === "sleep") await sleep(1_000);
  if (body === "hang") await sleep(3_600_000);
  return null;
};
