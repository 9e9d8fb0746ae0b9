// The component must install and run on an emulated Greengrass core before it is merged. Written by `greenproof init`.
// The agent needs Docker and greenproof in its search path; it keeps the images from one build to the next.
pipeline {
    agent { label 'docker' }
    options { timeout(time: 30, unit: 'MINUTES') }
    stages {
        stage('greenproof') {
            steps {
                sh 'greenproof run --junit greenproof.xml @SCENARIO@'
            }
        }
    }
    post {
        always {
            junit 'greenproof.xml'
            archiveArtifacts artifacts: 'greenproof-evidence/**', allowEmptyArchive: true
        }
    }
}
