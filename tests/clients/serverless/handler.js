// Writes every event into $FILE, one a line; fails the first time it sees the body "fail".

const fs = require("node:fs");

exports.handle = async (event) => {
  const seen = fs.existsSync(process.env.FILE) ? fs.readFileSync(process.env.FILE, "utf8") : "";
  fs.appendFileSync(process.env.FILE, `${JSON.stringify({ event, at: Date.now() })}\n`);
  const fails = event.Records.some((record) => record.body === "fail");
  if (fails && !seen.includes('"body":"fail"')) throw new Error("as asked");
};
