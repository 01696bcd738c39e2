// Initiates the replica set of the three mongods in compose.yaml, unless it exists, and waits for its primary.
const members = ["mongo1:27017", "mongo2:27017", "mongo3:27017"].map((host, _id) => ({ _id, host }));
const settings = { electionTimeoutMillis: 2000, heartbeatTimeoutSecs: 2 };

try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members, settings });
}
while (!rs.status().members.some((member) => member.stateStr === "PRIMARY")) sleep(200);
